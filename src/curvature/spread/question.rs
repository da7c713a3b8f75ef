//! What rank 0 asks the others about their shards, as bytes.

use crate::curvature::Precision;
use crate::error::{Error, Result};
use crate::parallel::ranks::pack::{Reader, Writer};

/// A question; blocks are named by the positions of their tensors.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Words {
    /// Take the shard that comes apart, of a network with these parameters; answered by nothing.
    Shard { threads: usize, params: Vec<(String, Vec<usize>)> },
    /// Evaluate at these parameters: loss, number of kinks and of those that are 0, gradient.
    Prepare { precision: Precision, params: Vec<Vec<f64>> },
    /// The largest arguments of the kinks.
    Tops,
    /// How many arguments are near 0 beside these: one number.
    Near(Vec<f64>),
    /// Products of the Hessian with vectors.
    Products { block: Vec<usize>, vectors: Vec<f64> },
    /// Loss at a step, and the gradient if asked for.
    At { block: Vec<usize>, gradient: bool, step: Vec<f64> },
    /// Assemble the Hessian: the operations that it took.
    Assemble { block: Vec<usize> },
    /// Columns of the Hessian, each from row `from` on.
    Columns { from: usize, count: usize },
    /// Forget the Hessian; answered by nothing.
    Release,
}

impl Words {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new();
        match self {
            Words::Shard { threads, params } => {
                w.byte(0).number(*threads).number(params.len());
                for (name, shape) in params {
                    w.bytes(name.as_bytes()).counts(shape);
                }
            }
            Words::Prepare { precision, params } => {
                w.byte(1).byte(u8::from(*precision == Precision::F32)).number(params.len());
                for values in params {
                    w.numbers(values);
                }
            }
            Words::Tops => {
                w.byte(2);
            }
            Words::Near(tops) => {
                w.byte(3).numbers(tops);
            }
            Words::Products { block, vectors } => {
                w.byte(4).counts(block).numbers(vectors);
            }
            Words::At { block, gradient, step } => {
                w.byte(5).counts(block).byte(u8::from(*gradient)).numbers(step);
            }
            Words::Assemble { block } => {
                w.byte(6).counts(block);
            }
            Words::Columns { from, count } => {
                w.byte(7).number(*from).number(*count);
            }
            Words::Release => {
                w.byte(8);
            }
        }
        w.done()
    }

    /// # Errors
    /// When the bytes are no question.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut r = Reader::new(bytes);
        Ok(match r.byte()? {
            0 => {
                let (threads, count) = (r.number()?, r.number()?);
                let one = |r: &mut Reader<'_>| {
                    let name = String::from_utf8_lossy(r.bytes()?).into_owned();
                    Ok((name, r.counts()?))
                };
                Words::Shard { threads, params: (0..count).map(|_| one(&mut r)).collect::<Result<_>>()? }
            }
            1 => {
                let precision = if r.byte()? == 1 { Precision::F32 } else { Precision::F64 };
                let count = r.number()?;
                Words::Prepare { precision, params: (0..count).map(|_| r.numbers()).collect::<Result<_>>()? }
            }
            2 => Words::Tops,
            3 => Words::Near(r.numbers()?),
            4 => Words::Products { block: r.counts()?, vectors: r.numbers()? },
            5 => Words::At { block: r.counts()?, gradient: r.byte()? == 1, step: r.numbers()? },
            6 => Words::Assemble { block: r.counts()? },
            7 => Words::Columns { from: r.number()?, count: r.number()? },
            8 => Words::Release,
            _ => return Err(unexpected("is of another version")),
        })
    }
}

/// A question that cannot be answered.
pub(super) fn unexpected(what: &str) -> Error {
    Error::input("ranks::question", "a question between ranks", what, "start the same build on all ranks")
}
