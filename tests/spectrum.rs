//! Tests of the spectrum parts and of the measurements, against ground truth, closed forms and second algorithms.

mod agreement;
mod live;
mod matrices;
mod pruning;
mod truth;
