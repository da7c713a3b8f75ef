//! The command line: what was typed, made into a plan, run.
