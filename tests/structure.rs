//! Tests of the structure parts.
