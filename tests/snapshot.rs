//! Tests of the snapshot parts.
