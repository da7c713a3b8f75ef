//! Memory for the kernels: it begins where a line of the caches does, so that a register lies in one line, and is kept
//! from one use to the next.

use super::real::Real;
use crate::pages::{LARGE, ask_for_large};

/// Bytes of a line.
const LINE: usize = 64;

/// Elements in lines.
#[derive(Debug, Default)]
pub struct Lines<T> {
    held: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Real> Lines<T> {
    /// No elements.
    pub fn new() -> Self {
        Lines { held: Vec::new(), start: 0, len: 0 }
    }

    /// A number of elements that is not less and fills whole lines.
    pub fn whole(elements: usize) -> usize {
        elements.next_multiple_of(LINE / size_of::<T>())
    }

    /// `len` elements that hold anything.
    pub fn room(&mut self, len: usize) -> &mut [T] {
        if len > self.held.len() - self.start {
            self.len = 0;
            self.renew(len);
        }
        self.len = len;
        self.all_mut()
    }

    /// Adds elements until there are `len`; those that were there stay.
    pub fn grow(&mut self, len: usize) {
        if len > self.held.len() - self.start {
            self.renew(len + len / 2);
        }
        self.len = self.len.max(len);
    }

    fn renew(&mut self, len: usize) {
        let bytes = len * size_of::<T>();
        // half a large page is worth a whole one
        let unit = if bytes < LARGE / 2 { LINE } else { LARGE };
        let spare = unit / size_of::<T>();
        let mut held = vec![T::ZERO; len.next_multiple_of(spare) + spare];
        // an offset that cannot be found costs speed only
        let start = held.as_ptr().align_offset(unit).min(spare);
        ask_for_large(held[start..].as_ptr(), held.len() - spare);
        held[start..start + self.len].copy_from_slice(self.all());
        (self.held, self.start) = (held, start);
    }

    /// The elements.
    pub fn all(&self) -> &[T] {
        &self.held[self.start..self.start + self.len]
    }

    /// The elements, to be written.
    pub fn all_mut(&mut self) -> &mut [T] {
        &mut self.held[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn elements_stay_and_begin_a_line() {
        let mut lines = Lines::<f32>::new();
        assert!(lines.all().is_empty());
        for len in [1, 3, 100, 50, 5000] {
            let before = lines.all().to_vec();
            lines.grow(len);
            assert!(lines.all().len() >= len && lines.all().starts_with(&before));
            assert_eq!(lines.all().as_ptr().align_offset(64), 0);
            lines.all_mut()[len - 1] = len as f32;
        }
        for len in [7, 40_000, 600_000, 0, 3] {
            assert_eq!(lines.room(len).len(), len);
            assert_eq!(lines.all().as_ptr().align_offset(64), 0);
        }
        assert_eq!([0, 1, 16, 17].map(Lines::<f32>::whole), [0, 16, 16, 32]);
        assert_eq!(Lines::<f64>::whole(9), 16);
    }
}
