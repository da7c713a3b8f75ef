//! Tests of the symbolic parts.
