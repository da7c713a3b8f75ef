//! The opcodes: a stack, marks and a memo, with every length checked.

use crate::error::{Error, Result};
use crate::snapshot::weights::pickle::{Id, REMEDY, Value, deep};
use std::collections::HashMap;

pub(super) struct Machine<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    pub(super) place: &'a str,
    pub(super) allowed: &'a dyn Fn(&str) -> bool,
    pub(super) depth: usize,
    pub(super) values: Vec<Value>,
    pub(super) stack: Vec<Id>,
    pub(super) marks: Vec<usize>,
    pub(super) memo: HashMap<u64, Id>,
}

impl Machine<'_> {
    /// Runs to the end and returns the value that is left.
    pub(super) fn run(&mut self) -> Result<Id> {
        loop {
            let opcode = self.byte()?;
            match opcode {
                b'.' => {
                    let root = self.pop()?;
                    return if self.stack.is_empty() && self.marks.is_empty() {
                        Ok(root)
                    } else {
                        Err(self.broken("it leaves more than one value"))
                    };
                }
                b'(' | b'0' | b'1' | b'2' => self.stack_operation(opcode)?,
                b'p' | b'q' | b'r' | 0x94 | b'g' | b'h' | b'j' => self.memo_operation(opcode)?,
                b'c' | 0x93 | b'R' | b'b' | b'P' | b'Q' => self.object_operation(opcode)?,
                b']' | b'}' | b')' | 0x8f | b'l' | b'd' | b't' | 0x85..=0x87 | 0x91 => self.make_container(opcode)?,
                b'a' | b'e' | 0x90 | b's' | b'u' => self.fill_container(opcode)?,
                0x80 => {
                    let protocol = self.byte()?;
                    if protocol > 5 {
                        return Err(self.broken(&format!("protocol {protocol} is unknown")));
                    }
                }
                0x95 => {
                    self.take(8)?;
                }
                b'i' | b'o' | 0x81 | 0x92 | 0x82..=0x84 => {
                    return Err(Error::input(
                        "pickle::object",
                        self.place,
                        "it builds an object of a class, which only the program that wrote it can do",
                        REMEDY,
                    ));
                }
                _ => {
                    let value = self.scalar(opcode)?;
                    self.push(value);
                }
            }
        }
    }

    fn stack_operation(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            b'(' => {
                if self.marks.len() >= self.depth {
                    return Err(self.too_deep());
                }
                self.marks.push(self.stack.len());
            }
            b'0' => {
                self.pop()?;
            }
            b'1' => {
                self.pop_mark()?;
            }
            _ => {
                let top = self.top()?;
                self.stack.push(top);
            }
        }
        Ok(())
    }

    fn memo_operation(&mut self, opcode: u8) -> Result<()> {
        let key = match opcode {
            b'p' | b'g' => self.line()?.parse().map_err(|_| self.broken("a memo index that is no number"))?,
            b'q' | b'h' => u64::from(self.byte()?),
            b'r' | b'j' => u64::from(self.word()?),
            _ => self.memo.len() as u64,
        };
        if matches!(opcode, b'g' | b'h' | b'j') {
            let id = *self.memo.get(&key).ok_or_else(|| self.broken("a memo entry that was never made"))?;
            self.stack.push(id);
        } else {
            let top = self.top()?;
            self.memo.insert(key, top);
        }
        Ok(())
    }

    fn object_operation(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                let value = self.global(&module, &name)?;
                self.push(value);
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(name), Value::Text(module)) = (self.value(name), self.value(module)) else {
                    return Err(self.broken("a global whose name is not text"));
                };
                let value = self.global(&module, &name)?;
                self.push(value);
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let Value::Global(name) = self.value(function) else {
                    return Err(self.broken("a call of something that is no global"));
                };
                let Value::Tuple(items) = self.value(arguments) else {
                    return Err(self.broken("a call whose arguments are no tuple"));
                };
                let dictionary = matches!(name.as_str(), "collections.OrderedDict" | "collections.defaultdict");
                // A default factory changes nothing that is stored.
                if dictionary && (items.is_empty() || name.ends_with("defaultdict")) {
                    self.push(Value::Dict(Vec::new()));
                } else {
                    self.push(Value::Call(name, arguments));
                }
            }
            b'b' => {
                self.pop()?;
                // The attributes of an ordered dictionary (`_metadata` of a state_dict) say nothing about weights.
                let target = self.top()?;
                if !matches!(self.values.get(target), Some(Value::Dict(_))) {
                    return Err(self.broken("it sets the state of something other than a dictionary"));
                }
            }
            b'P' => {
                let id = Value::Text(self.line()?);
                self.push(id);
                let id = self.pop()?;
                self.push(Value::Persistent(id));
            }
            _ => {
                let id = self.pop()?;
                self.push(Value::Persistent(id));
            }
        }
        Ok(())
    }

    fn make_container(&mut self, opcode: u8) -> Result<()> {
        let value = match opcode {
            b']' | 0x8f => Value::List(Vec::new()),
            b'}' => Value::Dict(Vec::new()),
            b')' => Value::Tuple(Vec::new()),
            b'l' | 0x91 => Value::List(self.pop_mark()?),
            b't' => Value::Tuple(self.pop_mark()?),
            b'd' => {
                let items = self.pop_mark()?;
                Value::Dict(self.pairs(&items)?)
            }
            _ => {
                let count = usize::from(opcode - 0x84);
                let from = self.floor();
                match self.stack.len().checked_sub(count).filter(|at| *at >= from) {
                    Some(at) => Value::Tuple(self.stack.split_off(at)),
                    None => return Err(self.broken("an empty stack")),
                }
            }
        };
        self.push(value);
        Ok(())
    }

    fn fill_container(&mut self, opcode: u8) -> Result<()> {
        let items = match opcode {
            b'a' => vec![self.pop()?],
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.pop_mark()?,
        };
        let target = self.top()?;
        let pairs = if matches!(opcode, b's' | b'u') { Some(self.pairs(&items)?) } else { None };
        match (self.values.get_mut(target), pairs) {
            (Some(Value::List(list)), None) => list.extend(items),
            (Some(Value::Dict(dict)), Some(pairs)) => dict.extend(pairs),
            _ => return Err(self.broken("it adds items to something that holds none")),
        }
        Ok(())
    }

    fn scalar(&mut self, opcode: u8) -> Result<Value> {
        Ok(match opcode {
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'K' => Value::Int(i64::from(self.byte()?)),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(self.array()?))),
            b'J' => Value::Int(i64::from(i32::from_le_bytes(self.array()?))),
            b'G' => Value::Float(f64::from_be_bytes(self.array()?)),
            0x8a => {
                let length = usize::from(self.byte()?);
                self.long(length)?
            }
            0x8b => {
                let length = self.word()? as usize;
                self.long(length)?
            }
            b'I' => match self.line()?.as_str() {
                "00" => Value::Bool(false),
                "01" => Value::Bool(true),
                digits => self.decimal(digits)?,
            },
            b'L' => {
                let line = self.line()?;
                self.decimal(line.trim_end_matches('L'))?
            }
            b'F' => {
                let line = self.line()?;
                Value::Float(line.parse().map_err(|_| self.broken("a float that is none"))?)
            }
            b'X' => self.text_of(|m| Ok(m.word()? as usize))?,
            0x8c => self.text_of(|m| Ok(usize::from(m.byte()?)))?,
            0x8d => self.text_of(Self::length8)?,
            // Python 2 wrote names as byte strings.
            b'T' => self.text_of(|m| Ok(m.word()? as usize))?,
            b'U' => self.text_of(|m| Ok(usize::from(m.byte()?)))?,
            b'V' => Value::Text(self.line()?),
            b'S' => {
                let line = self.line()?;
                let bare = line.strip_prefix(['\'', '"']).and_then(|l| l.strip_suffix(['\'', '"']));
                Value::Text(bare.ok_or_else(|| self.broken("a string without quotes"))?.to_owned())
            }
            b'B' => {
                let length = self.word()? as usize;
                self.take(length)?;
                Value::Bytes
            }
            b'C' => {
                let length = usize::from(self.byte()?);
                self.take(length)?;
                Value::Bytes
            }
            0x8e | 0x96 => {
                let length = self.length8()?;
                self.take(length)?;
                Value::Bytes
            }
            other => return Err(self.broken(&format!("the unknown opcode 0x{other:02x}"))),
        })
    }

    fn global(&self, module: &str, name: &str) -> Result<Value> {
        let full = format!("{module}.{name}");
        if (self.allowed)(&full) {
            return Ok(Value::Global(full));
        }
        // Tensors of kinds that no snapshot has; a remedy that names the state_dict would not help.
        let storage = full.strip_prefix("torch.").is_some_and(|n| n.ends_with("Storage") && !n.contains('.'));
        let remedy = if storage || full.starts_with("torch._utils._rebuild_") {
            "save dense tensors of float32, float64, float16 or bfloat16 alone: convert sparse, quantised, complex \
             and 8-bit ones first"
        } else {
            REMEDY
        };
        let shown: String = full.chars().take(120).map(|c| if c.is_control() { '?' } else { c }).collect();
        Err(Error::input(
            "pickle::global",
            self.place,
            format!("it names '{shown}', which is not on the list of harmless globals; nothing was executed"),
            remedy,
        ))
    }

    fn decimal(&self, digits: &str) -> Result<Value> {
        match digits.parse() {
            Ok(value) => Ok(Value::Int(value)),
            Err(_) if !digits.is_empty() && digits.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Value::BigInt)
            }
            Err(_) => Err(self.broken("an integer that is none")),
        }
    }

    fn long(&mut self, length: usize) -> Result<Value> {
        let bytes = self.take(length)?;
        if bytes.len() > 8 {
            return Ok(Value::BigInt);
        }
        let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        let mut word = [if negative { 0xff } else { 0 }; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        Ok(Value::Int(i64::from_le_bytes(word)))
    }

    fn text_of(&mut self, length: impl Fn(&mut Self) -> Result<usize>) -> Result<Value> {
        let length = length(self)?;
        let bytes = self.take(length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Value::Text(text.to_owned())),
            Err(_) => Err(self.broken("text that is not UTF-8")),
        }
    }

    fn length8(&mut self) -> Result<usize> {
        let length = u64::from_le_bytes(self.array()?);
        usize::try_from(length).map_err(|_| self.broken("a length beyond the end"))
    }

    fn pairs(&self, items: &[Id]) -> Result<Vec<(Id, Id)>> {
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.broken("a dictionary with a key and no value"));
        }
        Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
    }

    fn value(&self, id: Id) -> Value {
        self.values.get(id).cloned().unwrap_or(Value::None)
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    /// The stack may not be used below the innermost mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Id> {
        match self.stack.last() {
            Some(id) if self.stack.len() > self.floor() => Ok(*id),
            _ => Err(self.broken("an empty stack")),
        }
    }

    fn pop(&mut self) -> Result<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>> {
        let at = self.marks.pop().ok_or_else(|| self.broken("a mark that was never set"))?;
        if at > self.stack.len() {
            return Err(self.broken("an empty stack"));
        }
        Ok(self.stack.split_off(at))
    }

    fn take(&mut self, length: usize) -> Result<&[u8]> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let Some(end) = end else {
            return Err(self.broken("it ends too early"));
        };
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const W: usize>(&mut self) -> Result<[u8; W]> {
        let mut array = [0; W];
        array.copy_from_slice(self.take(W)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    fn word(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn line(&mut self) -> Result<String> {
        let rest = &self.bytes[self.at..];
        let Some(length) = rest.iter().position(|b| *b == b'\n') else {
            return Err(self.broken("it ends too early"));
        };
        let line = std::str::from_utf8(&rest[..length]).map_err(|_| self.broken("text that is not UTF-8"))?;
        let line = line.strip_suffix('\r').unwrap_or(line).to_owned();
        self.at += length + 1;
        Ok(line)
    }

    fn broken(&self, what: &str) -> Error {
        Error::input("pickle::damaged", format!("{}, byte {}", self.place, self.at), what, REMEDY)
    }

    fn too_deep(&self) -> Error {
        deep(self.place, self.depth)
    }
}
