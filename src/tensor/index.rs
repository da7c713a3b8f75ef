//! Gather by a constant index map and its adjoint, scatter-add.
//!
//! One linear operator covers slices, padding, the parts of a concatenation, tiling, embeddings, and the windows of
//! convolution and pooling.

use super::real::Real;

/// Marks an output element that is zero whatever the input.
pub const NOWHERE: u32 = u32::MAX;

/// Where each output element comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IndexMap {
    /// Number of input elements.
    pub source: usize,
    /// For each output element its input element, or [`NOWHERE`].
    pub from: Vec<u32>,
    /// Maximal runs (output start, input start, length) when they are long enough to copy.
    runs: Option<Vec<(u32, u32, u32)>>,
}

impl IndexMap {
    /// A map into `source` elements; `None` where an index is out of range or the tensor too large.
    pub fn new(source: usize, from: Vec<u32>) -> Option<Self> {
        if source >= NOWHERE as usize || from.len() >= NOWHERE as usize {
            return None;
        }
        if from.iter().any(|&i| i != NOWHERE && i as usize >= source) {
            return None;
        }
        let mut runs: Vec<(u32, u32, u32)> = Vec::new();
        for (o, &i) in from.iter().enumerate() {
            if i == NOWHERE {
                continue;
            }
            match runs.last_mut() {
                Some((start, first, n)) if *start + *n == o as u32 && *first + *n == i => *n += 1,
                _ => runs.push((o as u32, i, 1)),
            }
        }
        // below eight elements a run the copies cost more than single loads
        let runs = (runs.len() * 8 <= from.len()).then_some(runs);
        Some(IndexMap { source, from, runs })
    }

    /// The map whose output is zero whatever the input.
    pub fn nowhere(source: usize, len: usize) -> Self {
        IndexMap { source, from: vec![NOWHERE; len], runs: None }
    }

    /// out\[o\] ← x\[from\[o\]\], or 0.
    pub fn gather<T: Real>(&self, out: &mut [T], x: &[T]) {
        match &self.runs {
            Some(runs) => {
                out.fill(T::ZERO);
                for &(o, i, n) in runs {
                    let (o, i, n) = (o as usize, i as usize, n as usize);
                    out[o..o + n].copy_from_slice(&x[i..i + n]);
                }
            }
            None => {
                for (o, &i) in out.iter_mut().zip(&self.from) {
                    *o = x.get(i as usize).copied().unwrap_or(T::ZERO);
                }
            }
        }
    }

    /// The same with `lanes` numbers for every element, one after the other.
    pub fn gather_lanes<T: Real>(&self, out: &mut [T], x: &[T], lanes: usize) {
        if lanes == 1 {
            return self.gather(out, x);
        }
        if let Some(runs) = &self.runs {
            out.fill(T::ZERO);
            for &(o, i, n) in runs {
                let [o, i, n] = [o, i, n].map(|v| v as usize * lanes);
                out[o..o + n].copy_from_slice(&x[i..i + n]);
            }
            return;
        }
        for (o, &i) in out.chunks_exact_mut(lanes.max(1)).zip(&self.from) {
            match x.get(i as usize * lanes..(i as usize + 1) * lanes) {
                Some(x) if i != NOWHERE => o.copy_from_slice(x),
                _ => o.fill(T::ZERO),
            }
        }
    }

    /// The adjoint of [`IndexMap::gather_lanes`].
    pub fn scatter_lanes<T: Real>(&self, out: &mut [T], x: &[T], lanes: usize) {
        if lanes == 1 {
            return self.scatter(out, x);
        }
        out.fill(T::ZERO);
        let add = |out: &mut [T], x: &[T]| {
            for (d, &s) in out.iter_mut().zip(x) {
                *d += s;
            }
        };
        if let Some(runs) = &self.runs {
            for &(o, i, n) in runs {
                let [o, i, n] = [o, i, n].map(|v| v as usize * lanes);
                add(&mut out[i..i + n], &x[o..o + n]);
            }
            return;
        }
        for (&i, x) in self.from.iter().zip(x.chunks_exact(lanes.max(1))) {
            if i != NOWHERE {
                add(&mut out[i as usize * lanes..(i as usize + 1) * lanes], x);
            }
        }
    }

    /// out ← 0, then out\[from\[o\]\] += x\[o\].
    pub fn scatter<T: Real>(&self, out: &mut [T], x: &[T]) {
        out.fill(T::ZERO);
        match &self.runs {
            Some(runs) => {
                for &(o, i, n) in runs {
                    let (o, i, n) = (o as usize, i as usize, n as usize);
                    for (d, &s) in out[i..i + n].iter_mut().zip(&x[o..o + n]) {
                        *d += s;
                    }
                }
            }
            None => {
                for (&i, &s) in self.from.iter().zip(x) {
                    if let Some(d) = out.get_mut(i as usize) {
                        *d += s;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scatter_is_the_adjoint_of_gather() {
        for from in [vec![2, 0, NOWHERE, 2, 1], (3..40).chain([NOWHERE, 0, 1, 2]).collect::<Vec<u32>>()] {
            let map = IndexMap::new(40, from.clone()).expect("in range");
            let x: Vec<f64> = (0..40).map(|i| (i as f64).sin()).collect();
            let y: Vec<f64> = (0..from.len()).map(|i| (i as f64).cos()).collect();
            let mut gx = vec![0.0; from.len()];
            let mut sy = vec![0.0; 40];
            map.gather(&mut gx, &x);
            map.scatter(&mut sy, &y);
            let left: f64 = gx.iter().zip(&y).map(|(a, b)| a * b).sum();
            let right: f64 = x.iter().zip(&sy).map(|(a, b)| a * b).sum();
            assert!((left - right).abs() < 1e-13);
            // three lanes, each a multiple of the first
            let lanes = |v: &[f64]| v.iter().flat_map(|&v| [v, 2.0 * v, -v]).collect::<Vec<f64>>();
            let (mut wide, mut back) = (vec![0.0; 3 * from.len()], vec![0.0; 120]);
            map.gather_lanes(&mut wide, &lanes(&x), 3);
            map.scatter_lanes(&mut back, &lanes(&y), 3);
            assert_eq!((wide, back), (lanes(&gx), lanes(&sy)));
        }
        assert!(IndexMap::new(3, vec![3]).is_none());
    }
}
