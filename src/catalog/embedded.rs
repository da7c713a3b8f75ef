//! The files of `models/`, embedded when the program is built.

/// Path and text.
pub(super) const MODELS: &[(&str, &str)] = &[
    ("models/encodings/dilation.json", include_str!("../../models/encodings/dilation.json")),
    ("models/encodings/frobenius.json", include_str!("../../models/encodings/frobenius.json")),
    ("models/encodings/sparse.json", include_str!("../../models/encodings/sparse.json")),
    ("models/solvers/cg-hvp.json", include_str!("../../models/solvers/cg-hvp.json")),
    ("models/solvers/cg.json", include_str!("../../models/solvers/cg.json")),
    ("models/solvers/cholesky.json", include_str!("../../models/solvers/cholesky.json")),
    ("models/solvers/cks-chebyshev.json", include_str!("../../models/solvers/cks-chebyshev.json")),
    ("models/solvers/cks-fourier.json", include_str!("../../models/solvers/cks-fourier.json")),
    ("models/solvers/costa2022.json", include_str!("../../models/solvers/costa2022.json")),
    ("models/solvers/costa2023-consistent.json", include_str!("../../models/solvers/costa2023-consistent.json")),
    ("models/solvers/costa2023-measured.json", include_str!("../../models/solvers/costa2023-measured.json")),
    ("models/solvers/costa2026.json", include_str!("../../models/solvers/costa2026.json")),
    ("models/solvers/dalzell2024-alg3.json", include_str!("../../models/solvers/dalzell2024-alg3.json")),
    ("models/solvers/dalzell2024-known-norm.json", include_str!("../../models/solvers/dalzell2024-known-norm.json")),
    ("models/solvers/dalzell2024.json", include_str!("../../models/solvers/dalzell2024.json")),
    ("models/solvers/dequantized.json", include_str!("../../models/solvers/dequantized.json")),
    ("models/solvers/design-card.json", include_str!("../../models/solvers/design-card.json")),
    ("models/solvers/hhl.json", include_str!("../../models/solvers/hhl.json")),
    ("models/solvers/inverse.json", include_str!("../../models/solvers/inverse.json")),
    ("models/solvers/jennings2023.json", include_str!("../../models/solvers/jennings2023.json")),
    ("models/solvers/jennings2025.json", include_str!("../../models/solvers/jennings2025.json")),
    ("models/solvers/kaczmarz.json", include_str!("../../models/solvers/kaczmarz.json")),
    ("models/solvers/ldlt.json", include_str!("../../models/solvers/ldlt.json")),
    ("models/solvers/lower-bound.json", include_str!("../../models/solvers/lower-bound.json")),
    ("models/solvers/lu.json", include_str!("../../models/solvers/lu.json")),
    ("models/solvers/minres.json", include_str!("../../models/solvers/minres.json")),
    ("models/solvers/q-newton.json", include_str!("../../models/solvers/q-newton.json")),
    ("models/solvers/qsvt-cks.json", include_str!("../../models/solvers/qsvt-cks.json")),
    ("models/solvers/qsvt-sparse.json", include_str!("../../models/solvers/qsvt-sparse.json")),
    ("models/solvers/qsvt.json", include_str!("../../models/solvers/qsvt.json")),
    ("models/solvers/woodbury.json", include_str!("../../models/solvers/woodbury.json")),
];

/// Path and text.
pub(super) const HARDWARE: &[(&str, &str)] = &[
    ("models/hardware/qubit_gate_ns_e3.json", include_str!("../../models/hardware/qubit_gate_ns_e3.json")),
    ("models/hardware/qubit_gate_us_e3.json", include_str!("../../models/hardware/qubit_gate_us_e3.json")),
    ("models/hardware/attosecond.json", include_str!("../../models/hardware/attosecond.json")),
    ("models/hardware/a100.json", include_str!("../../models/hardware/a100.json")),
];

/// The vocabulary.
pub(super) const VARIABLES: &str = include_str!("../../models/variables.json");
/// The references.
pub(super) const BIBLIOGRAPHY: &str = include_str!("../../models/bibliography.json");
