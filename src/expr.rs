//! The formula language of the cost models.
