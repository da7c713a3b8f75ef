//! Everything that reads outside files: real exports, all formats, hostile input.

mod fixtures;
mod placing;
