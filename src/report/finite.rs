//! Refuses NaN and infinity: a serialiser that writes nothing and names the place of the first number that is not finite.
//!
//! `serde_json` would write them as `null`, which a reader takes for "does not exist".

use std::fmt;

use serde::ser::{self, Serialize};

/// Checks a value; the error is the path of the first non-finite number.
///
/// # Errors
/// The path, for example `cases.3.kappa.value is not finite`.
pub fn check<T: Serialize + ?Sized>(value: &T) -> Result<(), NotFinite> {
    value.serialize(&mut Checker { path: Vec::new() })
}

/// Where a number was not finite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotFinite(pub String);

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotFinite {}

impl ser::Error for NotFinite {
    fn custom<T: fmt::Display>(message: T) -> Self {
        NotFinite(message.to_string())
    }
}

struct Checker {
    path: Vec<String>,
}

impl Checker {
    fn inside<T: Serialize + ?Sized>(&mut self, name: String, value: &T) -> Result<(), NotFinite> {
        self.path.push(name);
        value.serialize(&mut *self)?;
        self.path.pop();
        Ok(())
    }
}

/// A sequence, map or structure under way: counts its elements and remembers a map's key.
struct Inner<'a> {
    checker: &'a mut Checker,
    index: usize,
    key: String,
}

macro_rules! accept {
    ($($method:ident: $type:ty),* $(,)?) => {
        $(fn $method(self, _: $type) -> Result<(), NotFinite> { Ok(()) })*
    };
}

impl<'a> ser::Serializer for &'a mut Checker {
    type Ok = ();
    type Error = NotFinite;
    type SerializeSeq = Inner<'a>;
    type SerializeTuple = Inner<'a>;
    type SerializeTupleStruct = Inner<'a>;
    type SerializeTupleVariant = Inner<'a>;
    type SerializeMap = Inner<'a>;
    type SerializeStruct = Inner<'a>;
    type SerializeStructVariant = Inner<'a>;

    accept! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_u128: u128, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8], serialize_unit_struct: &'static str,
    }

    fn serialize_f32(self, v: f32) -> Result<(), NotFinite> {
        self.serialize_f64(f64::from(v))
    }

    fn serialize_f64(self, v: f64) -> Result<(), NotFinite> {
        if v.is_finite() { Ok(()) } else { Err(NotFinite(format!("{} is {v}", self.path.join(".")))) }
    }

    fn serialize_none(self) -> Result<(), NotFinite> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), NotFinite> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), NotFinite> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), NotFinite> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), NotFinite> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), NotFinite> {
        self.inside(variant.into(), value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Inner<'a>, NotFinite> {
        Ok(Inner { checker: self, index: 0, key: String::new() })
    }

    fn serialize_tuple(self, _: usize) -> Result<Inner<'a>, NotFinite> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Inner<'a>, NotFinite> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Inner<'a>, NotFinite> {
        self.serialize_seq(None)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Inner<'a>, NotFinite> {
        self.serialize_seq(None)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Inner<'a>, NotFinite> {
        self.serialize_seq(None)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Inner<'a>, NotFinite> {
        self.serialize_seq(None)
    }
}

impl Inner<'_> {
    fn next<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotFinite> {
        let name = self.index.to_string();
        self.index += 1;
        self.checker.inside(name, value)
    }
}

impl ser::SerializeSeq for Inner<'_> {
    type Ok = ();
    type Error = NotFinite;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotFinite> {
        self.next(value)
    }
    fn end(self) -> Result<(), NotFinite> {
        Ok(())
    }
}

impl ser::SerializeTuple for Inner<'_> {
    type Ok = ();
    type Error = NotFinite;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotFinite> {
        self.next(value)
    }
    fn end(self) -> Result<(), NotFinite> {
        Ok(())
    }
}

impl ser::SerializeTupleStruct for Inner<'_> {
    type Ok = ();
    type Error = NotFinite;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotFinite> {
        self.next(value)
    }
    fn end(self) -> Result<(), NotFinite> {
        Ok(())
    }
}

impl ser::SerializeTupleVariant for Inner<'_> {
    type Ok = ();
    type Error = NotFinite;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotFinite> {
        self.next(value)
    }
    fn end(self) -> Result<(), NotFinite> {
        Ok(())
    }
}

impl ser::SerializeMap for Inner<'_> {
    type Ok = ();
    type Error = NotFinite;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), NotFinite> {
        self.key = serde_json::to_string(key).unwrap_or_default().trim_matches('"').to_string();
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotFinite> {
        let name = std::mem::take(&mut self.key);
        self.checker.inside(name, value)
    }
    fn end(self) -> Result<(), NotFinite> {
        Ok(())
    }
}

impl ser::SerializeStruct for Inner<'_> {
    type Ok = ();
    type Error = NotFinite;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), NotFinite> {
        self.checker.inside(key.into(), value)
    }
    fn end(self) -> Result<(), NotFinite> {
        Ok(())
    }
}

impl ser::SerializeStructVariant for Inner<'_> {
    type Ok = ();
    type Error = NotFinite;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), NotFinite> {
        self.checker.inside(key.into(), value)
    }
    fn end(self) -> Result<(), NotFinite> {
        Ok(())
    }
}
