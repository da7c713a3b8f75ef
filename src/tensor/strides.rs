//! Extents, strides, and loops over several broadcast operands collapsed to as few axes as possible.

/// Largest number of axes of a tensor, the lane axis not counted.
pub const MAX_RANK: usize = 10;

/// Number of elements.
pub fn size(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// Row-major strides.
pub fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i];
    }
    strides
}

/// Strides of an operand of extents `shape` read as if it had extents `out`: 0 along broadcast axes.
/// Both have the same rank, and every extent of `shape` is 1 or equal to that of `out`.
pub fn broadcast(shape: &[usize], out: &[usize]) -> Vec<usize> {
    debug_assert_eq!(shape.len(), out.len());
    row_major(shape).iter().zip(shape).zip(out).map(|((&s, &n), &o)| if n == o { s } else { 0 }).collect()
}

/// A nest of loops over a row-major walk with `K` operands, adjacent axes merged where all operands allow it.
#[derive(Debug, Clone, Copy)]
pub struct Loops<const K: usize> {
    rank: usize,
    extent: [usize; MAX_RANK + 1],
    stride: [[usize; K]; MAX_RANK + 1],
}

impl<const K: usize> Loops<K> {
    /// Loops over `shape`; `strides[k]` are operand k's strides along it.
    pub fn new(shape: &[usize], strides: [&[usize]; K]) -> Self {
        let mut loops = Loops { rank: 0, extent: [1; MAX_RANK + 1], stride: [[0; K]; MAX_RANK + 1] };
        for (axis, &n) in shape.iter().enumerate() {
            loops.push(n, std::array::from_fn(|k| strides[k][axis]));
        }
        loops
    }

    /// The same loops with one more outermost axis.
    pub fn under(&self, extent: usize, stride: [usize; K]) -> Self {
        let mut loops = Loops { rank: 0, extent: [1; MAX_RANK + 1], stride: [[0; K]; MAX_RANK + 1] };
        loops.push(extent, stride);
        for axis in 0..self.rank {
            loops.push(self.extent[axis], self.stride[axis]);
        }
        loops
    }

    /// The same loops with lanes as innermost axis: `lanes` of them one after the other in the operands that have them.
    pub fn over(&self, lanes: usize, laned: [bool; K]) -> Self {
        if lanes == 1 {
            return *self;
        }
        let mut loops = Loops { rank: 0, extent: [1; MAX_RANK + 1], stride: [[0; K]; MAX_RANK + 1] };
        for axis in 0..self.rank {
            let stride = self.stride[axis];
            loops.push(self.extent[axis], std::array::from_fn(|k| stride[k] * if laned[k] { lanes } else { 1 }));
        }
        loops.push(lanes, laned.map(usize::from));
        loops
    }

    fn push(&mut self, extent: usize, stride: [usize; K]) {
        if extent == 1 {
            return;
        }
        if self.rank > 0 {
            let outer = self.rank - 1;
            if (0..K).all(|k| self.stride[outer][k] == stride[k] * extent) {
                self.extent[outer] *= extent;
                self.stride[outer] = stride;
                return;
            }
        }
        self.extent[self.rank] = extent;
        self.stride[self.rank] = stride;
        self.rank += 1;
    }

    /// Extent and strides of the innermost loop.
    #[inline(always)]
    pub fn inner(&self) -> (usize, [usize; K]) {
        if self.rank == 0 { (1, [0; K]) } else { (self.extent[self.rank - 1], self.stride[self.rank - 1]) }
    }

    /// Extents and strides of the two innermost loops; the outer of them has extent 1 where there is no such loop.
    #[inline(always)]
    pub fn inner_two(&self) -> [(usize, [usize; K]); 2] {
        let outer = if self.rank < 2 { (1, [0; K]) } else { (self.extent[self.rank - 2], self.stride[self.rank - 2]) };
        [outer, self.inner()]
    }

    /// Calls `body` with the operands' offsets, once for each run of the innermost loop, in row-major order.
    #[inline(always)]
    pub fn each(&self, body: impl FnMut([usize; K])) {
        self.over_all_but(1, body);
    }

    /// The same, once for each run of the two innermost loops.
    #[inline(always)]
    pub fn each_two(&self, body: impl FnMut([usize; K])) {
        self.over_all_but(2, body);
    }

    #[inline(always)]
    fn over_all_but(&self, inner: usize, mut body: impl FnMut([usize; K])) {
        let outer = self.rank.saturating_sub(inner);
        if self.extent[..self.rank].contains(&0) {
            return;
        }
        let mut index = [0usize; MAX_RANK + 1];
        let mut offset = [0usize; K];
        loop {
            body(offset);
            let mut axis = outer;
            loop {
                if axis == 0 {
                    return;
                }
                axis -= 1;
                index[axis] += 1;
                if index[axis] < self.extent[axis] {
                    for (offset, stride) in offset.iter_mut().zip(self.stride[axis]) {
                        *offset += stride;
                    }
                    break;
                }
                for (offset, stride) in offset.iter_mut().zip(self.stride[axis]) {
                    *offset -= stride * (self.extent[axis] - 1);
                }
                index[axis] = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_visit_every_element_once_in_order() {
        let shape = [3, 1, 4, 2];
        let full = row_major(&shape);
        let column = broadcast(&[3, 1, 1, 1], &shape);
        let row = broadcast(&[1, 1, 4, 2], &shape);
        let loops = Loops::new(&shape, [&full, &column, &row]);
        assert_eq!(loops.inner(), (8, [1, 0, 1]));
        let mut seen = Vec::new();
        loops.each(|[a, b, c]| seen.push((a, b, c)));
        assert_eq!(seen, vec![(0, 0, 0), (8, 1, 0), (16, 2, 0)]);
        let lanes = loops.under(2, [24, 0, 0]);
        seen.clear();
        lanes.each(|[a, b, c]| seen.push((a, b, c)));
        assert_eq!(seen, vec![(0, 0, 0), (8, 1, 0), (16, 2, 0), (24, 0, 0), (32, 1, 0), (40, 2, 0)]);
        // two lanes innermost, in the first operand alone
        let inner = loops.over(2, [true, false, false]);
        assert_eq!(inner.inner(), (2, [1, 0, 0]));
        seen.clear();
        inner.each(|[a, b, c]| seen.push((a, b, c)));
        assert_eq!(seen[..3], [(0, 0, 0), (2, 0, 1), (4, 0, 2)]);
        assert_eq!((seen.len(), seen[23]), (24, (46, 2, 7)));
    }

    #[test]
    fn empty_and_scalar_shapes() {
        let mut calls = 0;
        Loops::<1>::new(&[], [&[]]).each(|_| calls += 1);
        assert_eq!(calls, 1);
        Loops::new(&[2, 0], [&row_major(&[2, 0])]).each(|_| calls += 1);
        assert_eq!(calls, 1);
    }
}
