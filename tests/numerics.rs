//! Tests of the numerics parts.
