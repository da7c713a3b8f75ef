//! Placing on hand-made graphs: each rule, and each way to be uncertain.
