//! Trainings in the surroundings of a command: progress, and the memory that is free.

use std::path::Path;

use super::memory::available;
use super::progress::Progress;
use crate::error::Result;
use crate::parallel::Threads;
use crate::train::{Observer, Request, RunOptions, Summary, run};

/// Begins the training of `request` in `out`, or goes on with the one that is there.
///
/// # Errors
/// See [`run::begin`] and [`run::resume`].
pub fn train(
    task: &Task<'_>,
    max_memory: Option<u64>,
    threads: &Threads,
    progress: &dyn Progress,
    observer: &mut dyn Observer,
) -> Result<Summary> {
    let tell = |fraction: f64, what: &str| progress.update(fraction, what);
    let options = RunOptions { max_memory: max_memory.or_else(available), progress: &tell };
    match *task {
        Task::Begin { request, out } => run::begin(request, out, &options, threads, observer),
        Task::Resume { out, optimizer, steps } => run::resume(out, optimizer, steps, &options, threads, observer),
    }
}

/// What to train.
#[derive(Debug, Clone, Copy)]
pub enum Task<'a> {
    /// A new run.
    Begin {
        /// What was asked.
        request: &'a Request,
        /// The run directory.
        out: &'a Path,
    },
    /// A run that was stopped, or asked for more steps.
    Resume {
        /// The run directory.
        out: &'a Path,
        /// Which run, where the folder holds several.
        optimizer: Option<&'a str>,
        /// A new end.
        steps: Option<u64>,
    },
}
