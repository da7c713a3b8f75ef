//! Fills a Measurement: size, condition, sparsity, subnormalization, tolerance, classical runs.
