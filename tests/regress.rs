//! Tests of the regress parts.
