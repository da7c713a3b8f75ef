//! Tests of the symbolic parts.

mod along;
mod catalog;
mod commands;
mod crossover;
mod expr;
mod numbers;
mod worked;
