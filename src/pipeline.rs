//! The arrows in order: the only file that names every stage.
