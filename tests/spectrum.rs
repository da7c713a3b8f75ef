//! Tests of the spectrum parts.
