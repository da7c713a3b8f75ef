//! Tests of the report parts.

mod files;
mod hostile;
mod layout;
mod preview;
mod synthetic;
