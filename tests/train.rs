//! Tests of the train parts.
