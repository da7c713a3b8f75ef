//! Dense row-major arrays and the kernels that the programs run on.
//!
//! A tensor is a plain slice beside its extents; every kernel writes one output slice and allocates nothing large.
//! All kernels are generic over [`Real`] (`f64` and `f32`) and, but for [`gemm`](matmul::gemm), sequential: programs
//! are spread over threads by lanes, not inside a kernel.
//!
//! | file | what |
//! |---|---|
//! | `real` | the scalar trait |
//! | `strides` | extents, strides and collapsed loops over broadcast operands |
//! | `lines` | memory that begins at a line of the caches |
//! | `arithmetic` | sums, differences, products of arrays, in registers |
//! | `elementwise` | maps, comparisons, choices |
//! | `reduce` | sums over axes and of arrays into others, in registers |
//! | `softmax` | softmax, log-sum-exp, cross-entropy rows, argmax masks |
//! | `layout` | axis permutations |
//! | `index` | gather and scatter-add by a constant index map |
//! | `matmul` | batched products by faer |
//! | `panels` | sums of outer products of chosen rows, packed once, triangles alone where they are enough |
//! | `skinny` | products a few registers wide, without packing, zeros skipped |
//! | `simd` | the registers that `arithmetic`, `reduce`, `skinny` and `panels` are written in |

pub mod arithmetic;
pub mod elementwise;
pub mod index;
pub mod layout;
pub mod lines;
pub mod matmul;
pub mod panels;
pub mod real;
pub mod reduce;
pub mod simd;
pub mod skinny;
pub mod softmax;
pub mod strides;

pub use real::Real;
