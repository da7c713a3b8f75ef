//! Tests of the report parts.

mod files;
mod hostile;
mod preview;
mod synthetic;
