//! Symmetric magnitude pruning to a target row sparsity, a ratio or a threshold, and the paper's row-wise rule.
