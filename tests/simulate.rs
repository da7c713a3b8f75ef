//! Tests of the simulate parts.
