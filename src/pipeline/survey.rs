//! What an analysis would do, without doing it: cases, sizes, memory, expected time.

use std::time::Instant;

use faer::Mat;
use faer::linalg::matmul::matmul;
use serde::Serialize;

use super::jobs::jobs;
use super::memory;
use super::opened::open;
use super::plan::Plan;
use crate::error::Result;
use crate::parallel::Threads;

/// One case that would be measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SurveyedCase {
    /// Its id.
    pub id: String,
    /// Unknowns N.
    pub n: usize,
    /// Bytes for the matrix and its differentiation.
    pub assembly_bytes: f64,
    /// Bytes for spectrum and solvers.
    pub measurement_bytes: f64,
    /// Expected time.
    pub seconds: f64,
}

/// The whole plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Survey {
    /// The cases in order.
    pub cases: Vec<SurveyedCase>,
    /// Bytes at the highest point.
    pub peak_bytes: f64,
    /// Bytes that may be used; `null` when nothing limits them.
    pub limit_bytes: Option<u64>,
    /// Expected time of everything.
    pub seconds: f64,
}

/// Share of the rate of a large product that a whole measurement reaches, from timings of the sample.
const SUSTAINED: f64 = 0.25;

/// Opens and lowers what the plan names, and stops there.
///
/// # Errors
/// As opening and lowering; a plan beyond the memory limit (exit 4).
pub fn survey(plan: &Plan, threads: &Threads) -> Result<Survey> {
    let jobs = jobs(open(plan)?, plan)?;
    let limit = plan.max_memory.or_else(memory::available);
    let rate = SUSTAINED * product_rate(threads);
    let mut cases = Vec::new();
    for job in &jobs {
        job.check_memory(plan, limit)?;
        for case in job.cases(plan) {
            cases.push(SurveyedCase {
                id: case.id,
                n: case.n,
                assembly_bytes: case.memory.assembly,
                measurement_bytes: case.memory.measurement,
                seconds: case.work / rate,
            });
        }
    }
    let peak_bytes = cases.iter().map(|c| c.assembly_bytes.max(c.measurement_bytes)).fold(0.0, f64::max);
    let seconds = cases.iter().map(|c| c.seconds).sum();
    Ok(Survey { cases, peak_bytes, limit_bytes: limit, seconds })
}

/// Operations in a second of a product of two matrices, by a short trial.
fn product_rate(threads: &Threads) -> f64 {
    let n = 256;
    let a = Mat::<f64>::from_fn(n, n, |i, j| ((i * 7 + j * 3) % 11) as f64);
    let mut c = Mat::<f64>::zeros(n, n);
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = Instant::now();
        threads.run(|| matmul(c.as_mut(), faer::Accum::Replace, a.as_ref(), a.as_ref(), 1.0, threads.faer()));
        best = best.min(start.elapsed().as_secs_f64());
    }
    2.0 * (n as f64).powi(3) / best.max(1e-9)
}
