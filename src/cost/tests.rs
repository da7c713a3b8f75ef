//! Unit tests of pricing.
