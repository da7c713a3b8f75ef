//! Tests of the symbolic parts.

mod expr;
