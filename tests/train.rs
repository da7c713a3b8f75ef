//! Tests of trainings: update rules, run directories, resuming, refusals.

mod directories;
mod fixtures;
mod newton;
mod refusals;
