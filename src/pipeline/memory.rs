//! The memory plan: bytes of each stage, said beforehand, and the refusal when they do not fit.

use crate::error::{Error, Result};

/// Bytes of one double.
const DOUBLE: f64 = 8.0;

/// N × N doubles alive at once while a plain matrix is measured, found by the peak of real runs: the matrix, the solved
/// one, eigenvectors, products, and the eigensolver's workspace.
const MATRIX_COPIES: f64 = 8.0;

/// The same for a block of a network, whose Gauss-Newton matrix is measured beside it.
const BLOCK_COPIES: f64 = 12.0;

/// Doubles that one worker's tangents take at least (`curvature` fills its blocks up to this), and the fewest columns
/// of a block.
const WORKER: f64 = 1_048_576.0;
const LANES: f64 = 4.0;

/// What a case needs, by stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MemoryPlan {
    /// Size of the system.
    pub n: usize,
    /// The matrix and its differentiation.
    pub assembly: f64,
    /// Spectrum, inertia, sparsity and the solvers.
    pub measurement: f64,
}

/// What one forward pass keeps.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Footprint {
    /// Doubles of all intermediate values of one pass over the batch, none of them freed.
    pub activations: f64,
    /// Doubles that one pass for loss and gradient really holds: buffers are reused after their last reader.
    pub pass: f64,
    /// Parameters of the whole network.
    pub parameters: f64,
}

/// The gradients of single samples, of which a Fisher matrix consists.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleWise {
    /// Samples of the batch.
    pub samples: f64,
    /// Doubles of all their gradients, which are kept.
    pub kept: f64,
}

impl MemoryPlan {
    /// The plan of a dense N × N case; `footprint` is that of the program, zero for a plain matrix.
    pub fn dense(n: usize, footprint: Footprint) -> Self {
        let square = DOUBLE * (n as f64) * (n as f64);
        if footprint.parameters == 0.0 {
            return MemoryPlan { n, assembly: square, measurement: MATRIX_COPIES * square };
        }
        let workers = std::thread::available_parallelism().map_or(1, |n| n.get()) as f64;
        let tangents = workers * WORKER.max(LANES * footprint.activations);
        let assembly = 2.0 * square + DOUBLE * (2.0 * footprint.activations + footprint.parameters + tangents);
        MemoryPlan { n, assembly, measurement: BLOCK_COPIES * square }
    }

    /// The plan of a case known by its factor of `rank` columns, or by products alone (`rank` then is the size of the
    /// Krylov spaces): a few copies of N × rank, the Gram matrix's decomposition, and a block of streamed rows.
    ///
    /// `by_sample`: the factor's columns are gradients of single samples, so that each worker runs one sample at a time.
    pub fn thin(n: usize, rank: usize, footprint: Footprint, by_sample: Option<SampleWise>) -> Self {
        let (rows, rank) = (n as f64, rank as f64);
        let workers = std::thread::available_parallelism().map_or(1, |n| n.get()) as f64;
        let tangents = match by_sample {
            Some(s) => s.kept + workers * footprint.pass / s.samples.max(1.0),
            None => workers * WORKER.max(LANES * footprint.pass),
        };
        let assembly = DOUBLE * (rows * rank + 2.0 * footprint.pass + footprint.parameters + tangents);
        let measurement = DOUBLE * (4.0 * rows * rank + MATRIX_COPIES * rank * rank + 200.0 * rows + 8.0 * WORKER);
        MemoryPlan { n, assembly, measurement }
    }

    /// Bytes at the highest point.
    pub fn peak(&self) -> f64 {
        self.assembly.max(self.measurement)
    }

    /// One line for stderr.
    pub fn describe(&self) -> String {
        format!(
            "N = {}: {} for the matrix, {} for its spectrum and solvers; peak {}",
            self.n,
            bytes(self.assembly),
            bytes(self.measurement),
            bytes(self.peak())
        )
    }

    /// Refuses a plan above the limit.
    ///
    /// # Errors
    /// Exit 4, naming N, the bytes, the largest N that fits and the alternative.
    pub fn check(&self, place: &str, limit: Option<u64>, footprint: Footprint, alternative: &str) -> Result<()> {
        let Some(limit) = limit else { return Ok(()) };
        if self.peak() <= limit as f64 {
            return Ok(());
        }
        let fits = largest_dense(limit, footprint);
        let largest = if fits == 0 { "no N fits".to_string() } else { format!("the largest N that fits is {fits}") };
        Err(Error::resource(
            "pipeline::memory",
            place,
            format!(
                "N = {} needs {} ({} bytes), but only {} may be used; {largest}",
                self.n,
                bytes(self.peak()),
                self.peak(),
                bytes(limit as f64),
            ),
            alternative,
        ))
    }
}

/// The largest N whose dense plan stays within `limit` bytes.
pub fn largest_dense(limit: u64, footprint: Footprint) -> usize {
    let (mut low, mut high) = (0usize, 1usize << 26);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if MemoryPlan::dense(middle, footprint).peak() <= limit as f64 {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

/// Bytes in binary units, three digits.
pub fn bytes(x: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut size = x.max(0.0);
    let mut unit = 0;
    while size >= 999.5 && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    let decimals = if unit == 0 || size >= 99.95 { 0 } else { 1 };
    format!("{size:.decimals$} {}", units[unit])
}

/// What the machine can still give, where the operating system says so (Linux): the free memory, or what the
/// control group leaves.
pub fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let read = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let group = match (read("/sys/fs/cgroup/memory.max"), read("/sys/fs/cgroup/memory.current")) {
        (Some(most), Some(used)) => most.saturating_sub(used),
        _ => u64::MAX,
    };
    Some((kib * 1024).min(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_n_fits_and_the_next_does_not() {
        for limit in [1u64 << 28, 1 << 30, 8 << 30] {
            for footprint in [Footprint::default(), Footprint { activations: 1e2, pass: 5e1, parameters: 500.0 }] {
                let n = largest_dense(limit, footprint);
                assert!(n > 0);
                assert!(MemoryPlan::dense(n, footprint).peak() <= limit as f64);
                assert!(MemoryPlan::dense(n + 1, footprint).peak() > limit as f64);
            }
        }
    }

    /// The paper's size: a block of 16,384 in a transformer of 164,930 parameters, 128 samples. Measured: 482 MiB.
    #[test]
    fn a_factor_of_sample_gradients_takes_no_more_than_it_holds() {
        let footprint = Footprint { activations: 1.6e8, pass: 2e7, parameters: 164_930.0 };
        let by_sample = SampleWise { samples: 128.0, kept: 164_930.0 * 128.0 };
        let plan = MemoryPlan::thin(16_384, 128, footprint, Some(by_sample));
        let square = 8.0 * 16_384.0f64.powi(2);
        assert!(plan.peak() < 0.4 * square, "{}", bytes(plan.peak()));
        assert!(plan.peak() > 8.0 * by_sample.kept);
        assert!(MemoryPlan::thin(16_384, 128, footprint, None).peak() > plan.peak());
    }

    #[test]
    fn a_refusal_names_everything() {
        let plan = MemoryPlan::dense(10_000, Footprint::default());
        assert_eq!(plan.peak(), 8.0 * 8e8);
        let error = plan.check("RUN", Some(1 << 30), Footprint::default(), "use --scope layers").expect_err("too big");
        assert_eq!(error.class, crate::error::Class::Resource);
        let text = error.to_string();
        // √(2³⁰/64) = 4096.
        for part in ["10000", "6.0 GiB", "6400000000 bytes", "1.0 GiB", "4096", "--scope layers"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(plan.check("RUN", None, Footprint::default(), "").is_ok());
    }

    #[test]
    fn bytes_read_well() {
        assert_eq!(bytes(512.0), "512 B");
        assert_eq!(bytes(1024.0 * 1024.0), "1.0 MiB");
        assert_eq!(bytes(1e12), "931 GiB");
        assert_eq!(bytes(1000.0 * 1024.0 * 1024.0), "1.0 GiB");
    }
}
