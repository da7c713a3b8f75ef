//! Reverse mode and forward mode on programs: graph to graph.
//!
//! Both passes append nodes to the program they differentiate, from the closed list of operators, so they compose:
//! a Hessian-vector product is [`jvp`] of [`vjp`], a Gauss-Newton product is [`vjp`] of [`jvp`] of the loss's gradient
//! at the outputs of [`jvp`]. **Structural zeros are never emitted**: a value that does not depend on the seeds has no
//! tangent node, a value that does not reach the outputs has no cotangent node.
//!
//! Seeds may sit at any node, not only at parameters: tangents at pre-activations are the start of a structured
//! assembly of the Hessian.

mod forward;
mod reverse;
mod rules;

pub use forward::jvp;
pub use reverse::vjp;

#[cfg(test)]
mod tests;
