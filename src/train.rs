//! Trains small networks and writes run directories.
//!
//! A [`Problem`] (graph, parameters, loss, batches) and a [`Config`] make a [`Trainer`], which updates parameters in
//! memory and tells an [`Observer`] every step and every solved block.
//!
//! | file | what |
//! |---|---|
//! | `data` | digits, text, MNIST, any `.npz` |
//! | `network`, `graph_builder`, `onnx_writer` | networks as ONNX graphs |
//! | `problem` | what is trained |
//! | `config` | how |
//! | `trainer`, `engine` | the loop, and the program of one batch |
//! | `first_order`, `newton` | the update rules |
//! | `observer` | what is told on the way |
//! | `request` | what a user asks, in words |
//! | `run`, `directory`, `log` | run directories: written, resumed |

pub mod config;
pub mod data;
mod directory;
mod engine;
pub mod first_order;
pub mod graph_builder;
mod log;
pub mod network;
pub mod newton;
pub mod observer;
pub mod onnx_writer;
pub mod problem;
pub mod request;
pub mod run;
pub mod trainer;

#[cfg(test)]
mod tests;

pub use config::{Clip, Config, CurvatureKind, NewtonName, NewtonRule, Optimizer};
pub use network::Network;
pub use observer::{BlockSolve, Observer, Score, SolveRecord, StepEvent, Unobserved};
pub use problem::{Batches, Problem};
pub use request::Request;
pub use run::{RunOptions, Summary};
pub use trainer::{Evaluation, State, Trainer};
