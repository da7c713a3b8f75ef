//! The program of a network: a closed list of differentiable operators, lowered from ONNX.
//!
//! A [`Program`] is a static single-assignment list of nodes in topological order. Its operators
//! ([`Op`]) are few and **closed under differentiation**: `autodiff::vjp` and
//! `autodiff::jvp` append nodes of the same kinds to the same program, so a Hessian-vector product is
//! `jvp(vjp(loss))` and no operator has a hand-written second derivative. Every pass over operators is an exhaustive
//! `match`, so the compiler proves that no operator lacks a kernel, a rule or a FLOP count.
//!
//! **Lanes.** A node that depends on a [`Op::Tangent`] is *laned*: its value carries a leading axis of k tangents,
//! which its `shape` does not mention. Nodes without lanes are evaluated once per snapshot ([`execute::Primal`]) and
//! kept; a block of lanes evaluates only the laned nodes ([`execute::Workspace`], or [`tangents::Buffers`] with the lanes
//! as trailing axis).
//!
//! | file | what |
//! |---|---|
//! | `operator` | the closed list: `Op`, `Func`, `Cmp` |
//! | `program` | nodes, hash-consing, construction with simplification |
//! | `linear` | sums and products of tangents with coefficients, kept short |
//! | `schedule` | which nodes run, in which order, in which buffers; FLOP counts |
//! | `execute` | the kernels called in that order, in f64 or f32, lanes outermost |
//! | `tangents` | the same for products with vectors, lanes innermost |
//! | `wire` | a lowered network as bytes, for other ranks |
//! | `lower` | from the plain ONNX graph, one batch and a loss to a program |

pub mod execute;
mod linear;
pub mod lower;
pub mod operator;
pub mod program;
pub mod schedule;
pub mod tangents;
pub mod wire;

pub use lower::{Lowered, lower};
pub use operator::{Cmp, Func, Op};
pub use program::{NodeId, Program};
pub use schedule::Schedule;
