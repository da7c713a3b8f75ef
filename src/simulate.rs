//! The verifying simulator: takes a matrix, a right-hand side and a claim; counts queries and measures the error.
//!
//! Cost formulas are claims; this stage runs the circuits behind them on the user's own matrices and says
//! whether the claim holds there. Three levels, described in `docs/simulator.md`:
//!
//! | level | state | file |
//! |---|---|---|
//! | `L1` | spectrum (λ_i, ⟨v_i∣b⟩) or a Lanczos measure, plus flags | [`instance`], [`walk`], … |
//! | `L2` | a real block encoding as a 2N×2N matrix, explicit ancillas | [`operator`], [`walk_circuit`], [`encoding`] |
//! | `L3` | gates with quantum-signal-processing phases on the full state | [`circuit`], [`phase_factors`] |
//!
//! The stage's one public function is [`verify`]. Queries are counted by the oracle objects of [`oracle`]
//! while a circuit runs, never by a formula.

pub mod adiabatic;
pub mod amplification;
pub mod calibration;
pub mod chebyshev;
pub mod circuit;
pub mod cks;
pub mod encoding;
pub mod fft;
pub mod hhl;
pub mod instance;
pub mod inversion;
pub mod kernel_reflection;
pub mod kernel_spectrum;
pub mod lanczos_measure;
pub mod levels;
pub mod noise;
pub mod norm_search;
pub mod operator;
pub mod oracle;
pub mod phase_factors;
pub mod qsvt;
pub mod randomisation;
pub mod refinement;
mod row;
pub mod solvers;
pub mod state_vector;
pub mod verification;
pub mod walk;
pub mod walk_circuit;

pub use calibration::{Calibration, calibrate};
pub use instance::{Instance, Spectrum, hermitian_dilation};
pub use oracle::Counts;
pub use row::{Encoding, Level, Options, SimulationRow};
pub use solvers::{SECONDS_PER_OPERATION, VERIFIABLE, work};
pub use verification::{verify, verify_built};
