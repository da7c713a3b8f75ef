//! Numbers, words and errors as bytes between ranks.

use crate::error::{Class, Error, Result};

/// Bytes in the making.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

/// Bytes read from the front.
#[derive(Debug)]
pub struct Reader<'a>(&'a [u8]);

/// A message that is not one.
pub(super) fn damaged() -> Error {
    Error::input(
        "ranks::message",
        "a message between ranks",
        "is cut off or of another version",
        "start the same build on all ranks",
    )
}

const CLASSES: [Class; 7] =
    [Class::Gate, Class::Usage, Class::Input, Class::Resource, Class::Certificate, Class::Io, Class::Interrupted];

impl Writer {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// All that was written.
    pub fn done(self) -> Vec<u8> {
        self.0
    }

    /// A byte.
    pub fn byte(&mut self, b: u8) -> &mut Self {
        self.0.push(b);
        self
    }

    /// A count.
    pub fn number(&mut self, n: usize) -> &mut Self {
        self.0.extend_from_slice(&(n as u64).to_le_bytes());
        self
    }

    /// Bytes with their number.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len());
        self.0.extend_from_slice(bytes);
        self
    }

    /// Counts with their number.
    pub fn counts(&mut self, counts: &[usize]) -> &mut Self {
        self.number(counts.len());
        counts.iter().for_each(|&n| {
            self.number(n);
        });
        self
    }

    /// Numbers of 32 bits with their number.
    pub fn indices(&mut self, indices: &[u32]) -> &mut Self {
        self.number(indices.len());
        self.0.extend(indices.iter().flat_map(|i| i.to_le_bytes()));
        self
    }

    /// Floating-point numbers with their number.
    pub fn numbers(&mut self, values: &[f64]) -> &mut Self {
        self.number(values.len());
        let start = self.0.len();
        self.0.resize(start + 8 * values.len(), 0);
        // a matrix passes here: eight bytes at a time, not one
        self.0[start..].chunks_exact_mut(8).zip(values).for_each(|(to, x)| to.copy_from_slice(&x.to_le_bytes()));
        self
    }

    /// An error.
    pub fn error(&mut self, e: &Error) -> &mut Self {
        let class = CLASSES.iter().position(|&c| c == e.class).unwrap_or(0);
        self.byte(class as u8);
        for text in [e.code, &e.place, &e.what, &e.remedy] {
            self.bytes(text.as_bytes());
        }
        self
    }
}

impl<'a> Reader<'a> {
    /// Reads from these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    /// `n` elements of `width` bytes.
    fn elements(&mut self, width: usize) -> Result<std::slice::ChunksExact<'a, u8>> {
        let n = self.number()?;
        Ok(self.take(n.checked_mul(width).ok_or_else(damaged)?)?.chunks_exact(width))
    }

    /// A byte.
    ///
    /// # Errors
    /// Here and below: when the bytes end before.
    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    /// A count.
    ///
    /// # Errors
    /// See [`Reader::byte`].
    pub fn number(&mut self) -> Result<usize> {
        usize::try_from(u64::from_le_bytes(eight(self.take(8)?))).map_err(|_| damaged())
    }

    /// Bytes.
    ///
    /// # Errors
    /// See [`Reader::byte`].
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let n = self.number()?;
        self.take(n)
    }

    /// Counts.
    ///
    /// # Errors
    /// See [`Reader::byte`].
    pub fn counts(&mut self) -> Result<Vec<usize>> {
        let each = |bytes| usize::try_from(u64::from_le_bytes(eight(bytes))).map_err(|_| damaged());
        self.elements(8)?.map(each).collect()
    }

    /// Numbers of 32 bits.
    ///
    /// # Errors
    /// See [`Reader::byte`].
    pub fn indices(&mut self) -> Result<Vec<u32>> {
        Ok(self.elements(4)?.map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    /// Floating-point numbers.
    ///
    /// # Errors
    /// See [`Reader::byte`].
    pub fn numbers(&mut self) -> Result<Vec<f64>> {
        Ok(self.elements(8)?.map(|b| f64::from_le_bytes(eight(b))).collect())
    }

    /// An error.
    ///
    /// # Errors
    /// See [`Reader::byte`].
    pub fn error(&mut self) -> Result<Error> {
        let class = *CLASSES.get(usize::from(self.byte()?)).ok_or_else(damaged)?;
        let mut text = || Ok(String::from_utf8_lossy(self.bytes()?).into_owned());
        let code: String = text()?;
        let (place, what, remedy) = (text()?, text()?, text()?);
        // an error ends the program: its code is made static once
        Ok(Error { class, code: Box::leak(code.into_boxed_str()), place, what, remedy })
    }
}

/// Eight bytes of a slice that has them.
fn eight(bytes: &[u8]) -> [u8; 8] {
    bytes.try_into().unwrap_or_default()
}
