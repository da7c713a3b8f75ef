//! Tests of the cli parts.
