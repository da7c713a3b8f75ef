//! The same circuit again, with explicit ancillas (L2) or with gates and phases (L3), compared with level 1.

use super::adiabatic::filter_series;
use super::circuit;
use super::encoding::{self, Counted};
use super::instance::{Instance, norm};
use super::operator;
use super::oracle::Counts;
use super::row::{Encoding, Level, Options};
use super::solvers::Circuit;
use super::walk::{Form, SCHEDULE_P};
use super::walk_circuit::{Flags, WalkCircuit};
use crate::error::{Error, Result};
use faer::MatRef;

/// Largest system at level 2.
pub const LARGEST_OPERATOR: usize = 1024;

/// A run at a deeper level.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// Kept amplitudes of the solution's register in the eigenbasis.
    pub state: Vec<f64>,
    /// Kept amplitudes elsewhere (the walk's d = 0 part).
    pub left: Vec<f64>,
    /// Calls of one attempt.
    pub counts: Counts,
    /// Residual of the phases (L3).
    pub residual: f64,
    /// Level 1 must give the same state.
    pub comparable: bool,
    /// What the reader should know.
    pub notes: Vec<String>,
}

impl Replay {
    /// Error of everything that was kept, normalised.
    pub fn error(&self, instance: &Instance) -> f64 {
        let (kept, other) = (norm(&self.state), norm(&self.left));
        let size = kept.hypot(other);
        if size == 0.0 {
            return std::f64::consts::SQRT_2;
        }
        let overlap: f64 = self.state.iter().zip(&instance.target).map(|(x, t)| x * t).sum();
        let scale = if overlap < 0.0 { -1.0 / size } else { 1.0 / size };
        let near: f64 = self.state.iter().zip(&instance.target).map(|(x, t)| (x * scale - t).powi(2)).sum();
        (near + (other / size).powi(2)).sqrt()
    }
}

/// Refuses sizes beyond the level's.
///
/// # Errors
/// Resource, naming the level that fits.
pub fn check_size(level: Level, n: usize) -> Result<()> {
    let (limit, other) = match level {
        Level::L1 => return Ok(()),
        Level::L2 => (LARGEST_OPERATOR, "use level L1"),
        Level::L3 => (circuit::LARGEST, "use level L1 or L2"),
    };
    if n <= limit {
        return Ok(());
    }
    Err(Error::resource(
        "simulate::level",
        format!("{level} with N = {n}"),
        format!("not verifiable: level {level} holds systems up to N = {limit}"),
        other,
    ))
}

/// Allowed distance between levels: max(1e-13, 1e-15·queries), plus what the phases leave.
pub fn tolerance(queries: u64, residual: f64) -> f64 {
    (1e-15 * queries as f64).max(1e-13) + residual
}

/// What the recurrence of a kernel filter of that order, call by call, loses to rounding: some 2⁻⁵⁰ a step, and each step's
/// share grows with the filter by up to U_ℓ(u₀)/T_ℓ(u₀) ≈ κ/2.
fn recurrence_rounding(instance: &Instance, order: u64) -> f64 {
    4.0 * f64::EPSILON * instance.kappa_eff() * (order as f64).sqrt()
}

/// Runs `circuit` at `level`.
///
/// # Errors
/// Those of the encodings, the phases and the caps.
pub fn replay(
    level: Level,
    circuit: &Circuit,
    matrix: MatRef<'_, f64>,
    instance: &Instance,
    options: &Options,
) -> Result<Replay> {
    afford(level, circuit, instance, options)?;
    match level {
        Level::L1 => Err(Error::usage("simulate::level", "L1", "level 1 is the reference itself", "")),
        Level::L2 => operator_level(circuit, matrix, instance, options),
        Level::L3 => gate_level(circuit, matrix, instance, options),
    }
}

/// Refuses what would run for longer than the cap: every call is a product with a matrix of some flags × N, and at L3
/// phases of degree d take some d² operations more.
fn afford(level: Level, circuit: &Circuit, instance: &Instance, options: &Options) -> Result<()> {
    let (degree, uses, flags) = match circuit {
        Circuit::SpectralOnly => return Ok(()),
        Circuit::Inversion { coefficients, rounds } => (coefficients.len() as f64, (2 * rounds + 1) as f64, 2.0),
        Circuit::Reflection { order, .. } => (2.0 * *order as f64, 1.0, 4.0),
        Circuit::Walk { form, steps, filter } => {
            ((form.calls_per_step() * (steps + filter)) as f64, 1.0, if *form == Form::General { 16.0 } else { 8.0 })
        }
    };
    let n = instance.n as f64;
    let encoded = match options.encoding {
        Encoding::Dilation => 2.0 * n * n,
        Encoding::Frobenius => 3.0 * n * n,
        Encoding::Sparse => 9.0 * n * n,
    };
    // At level 2 the amplification rotates a known plane and costs nothing.
    let (uses, phases) = match (level, circuit) {
        (Level::L3, Circuit::Walk { .. }) => (uses, 0.0),
        (Level::L3, _) => (uses, 0.3 * degree * degree),
        _ => (1.0, 0.0),
    };
    super::solvers::afford(options, degree * uses * flags * encoded + phases, &format!("{level}, N = {}", instance.n))
}

fn too_long() -> Error {
    Error::resource(
        "simulate::not_verifiable",
        "circuit",
        "not verifiable: its polynomial is too long for a Chebyshev series at this level",
        "use level L1",
    )
}

/// Amplitude after `rounds` rounds of amplification of a state with norm ‖s‖ = sin θ: sin((2m+1)θ)/sin θ times.
fn amplified(state: &mut [f64], rounds: u64) {
    let once = norm(state).min(1.0);
    let factor = ((2 * rounds + 1) as f64 * once.asin()).sin() / once;
    state.iter_mut().for_each(|x| *x *= factor);
}

fn operator_level(
    circuit: &Circuit,
    matrix: MatRef<'_, f64>,
    instance: &Instance,
    options: &Options,
) -> Result<Replay> {
    let encoded = encoding::build(matrix, instance, options)?;
    let size = (encoded.flags() * encoded.system()) as u64;
    if size * 8 * 40 > options.max_bytes {
        return Err(Error::resource(
            "simulate::memory",
            format!("{} encoding of N = {}", options.encoding, instance.n),
            format!("its registers need about {} bytes, the limit is {}", size * 320, options.max_bytes),
            "raise --max-memory or verify at level L1",
        ));
    }
    let b = circuit::coordinates(instance, &instance.amplitudes);
    let note = format!("{} encoding: top-left block A/α and orthogonality checked to 1e-12", options.encoding);
    let finish = |state: Vec<f64>, counts: Counts, comparable: bool| Replay {
        left: Vec::new(),
        state: circuit::eigenbasis(instance, &state),
        counts,
        residual: 0.0,
        comparable,
        notes: vec![note.clone()],
    };
    match circuit {
        Circuit::SpectralOnly => Err(too_long()),
        Circuit::Inversion { coefficients, rounds } => {
            let mut counted = Counted::new(encoded.as_ref());
            let mut state = operator::series(&mut counted, coefficients, &b);
            amplified(&mut state, *rounds);
            let mut counts = Counts::default();
            counts.add(&counted.counts, 2 * rounds + 1);
            let mut replay = finish(state, counts, true);
            replay.notes.push("amplification acts in the plane of flagged and unflagged states".to_owned());
            Ok(replay)
        }
        Circuit::Reflection { norm, order } => {
            let (state, counts) = operator::kernel_reflection(encoded.as_ref(), instance, &b, *norm, *order);
            Ok(Replay { residual: recurrence_rounding(instance, *order), ..finish(state, counts, true) })
        }
        Circuit::Walk { form, steps, filter } => {
            let mut walk = WalkCircuit::new(encoded.as_ref(), &b, *form, Flags::One);
            let mut state = walk.start();
            walk.walk(&mut state, instance.kappa_eff(), SCHEDULE_P, *steps);
            let general = *form == Form::General;
            let left = state.flagged(false, false).to_vec();
            let right = state.flagged(general, false).to_vec();
            let (left, right) = if *filter < 2 {
                (left, right)
            } else {
                walk.filter(&filter_series(instance.kappa_eff(), *filter), &left, &right)
            };
            // Another completion of the encoding changes the part of the walk that the flags reject, and with it the
            // state, by a few 1e-4: only the dilation is the one level 1 has.
            let replay = finish(right, walk.encoding.counts, options.encoding == Encoding::Dilation);
            Ok(Replay { left: if general { left } else { Vec::new() }, ..replay })
        }
    }
}

fn gate_level(circuit: &Circuit, matrix: MatRef<'_, f64>, instance: &Instance, options: &Options) -> Result<Replay> {
    if options.encoding != Encoding::Dilation {
        return Err(Error::usage(
            "simulate::encoding",
            format!("{} at L3", options.encoding),
            "gates are simulated with the dilation",
            "use level L2 for the other encodings",
        ));
    }
    let finish = |run: circuit::Run, uses: u64, note: &str| Replay {
        state: circuit::eigenbasis(instance, &run.state),
        left: run.left,
        counts: run.counts,
        residual: (run.residual + run.imaginary.min(1e-12)) * uses as f64,
        comparable: true,
        notes: vec![note.to_owned(), format!("phases rebuilt to {:.1e} (convention Wx, run in R)", run.residual)],
    };
    match circuit {
        Circuit::SpectralOnly => Err(too_long()),
        Circuit::Inversion { coefficients, rounds } => {
            let run = circuit::inversion(instance, coefficients, *rounds, options)?;
            let note = format!("polynomial scaled to max|P| = {} so that its phases exist", options.headroom);
            Ok(finish(run, 2 * rounds + 1, &note))
        }
        Circuit::Reflection { norm, order } => {
            let mut run = circuit::kernel_reflection(instance, *norm, *order, options)?;
            let note = format!(
                "polynomial scaled by {} so that its phases exist: success probability {:.4} of the unscaled one's",
                options.headroom,
                options.headroom * options.headroom
            );
            run.state.iter_mut().for_each(|x| *x /= options.headroom);
            let replay = finish(run, 2, &note);
            Ok(Replay { residual: replay.residual + recurrence_rounding(instance, *order), ..replay })
        }
        Circuit::Walk { form, steps, filter } => {
            let run = circuit::walk(instance, *form, SCHEDULE_P, *steps, options)?;
            if *filter < 2 {
                return Ok(finish(run, 1, "walk gate by gate"));
            }
            // The filter is a polynomial of the last H; it runs at level 2 on the state that the gates left.
            let encoded = encoding::build(matrix, instance, options)?;
            let b = circuit::coordinates(instance, &instance.amplitudes);
            let mut walk = WalkCircuit::new(encoded.as_ref(), &b, *form, Flags::One);
            let series = filter_series(instance.kappa_eff(), *filter);
            let (left, right) = walk.filter(&series, &run.left, &run.state);
            let mut counts = run.counts;
            counts.add(&walk.encoding.counts, 1);
            let left = if *form == Form::General { left } else { Vec::new() };
            let run = circuit::Run { state: right, left, counts, ..run };
            Ok(finish(run, 1, "walk gate by gate, filter at level 2"))
        }
    }
}
