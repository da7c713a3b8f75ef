//! Tests of the symbolic parts.

mod catalog;
mod crossover;
mod expr;
