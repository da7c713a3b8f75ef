//! Tests of the symbolic parts.

mod catalog;
mod commands;
mod crossover;
mod expr;
mod numbers;
mod worked;
