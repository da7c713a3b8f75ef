//! Tests of the report parts.
