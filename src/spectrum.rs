//! Eigenvalues, inertia and condition numbers with brackets; Krylov methods for matrices known by their products.
//!
//! | part | what |
//! |---|---|
//! | [`dense_eigen`] | the only caller of the eigensolver library: scaled, residual-checked |
//! | [`inertia`] | LBLᵀ (Bunch-Kaufman) and Sylvester's counts at shifts |
//! | [`cholesky`] | LLᵀ of positive definite matrices |
//! | [`condition`] | κ, σ_max, σ_min with certified brackets, under every definition |
//! | [`lanczos`] | both ends of the spectrum from products alone, with residual bounds |
//! | [`iterative`] | CG and MINRES, plain and Jacobi, really run |
//! | [`density`] | the spectrum in bins on a signed logarithmic axis |
//! | [`scale`] | exact scaling by powers of two |
//! | [`symmetric_product`] | products that read half of a symmetric matrix |

mod certificate;
pub mod cholesky;
pub mod condition;
pub mod dense_eigen;
pub mod density;
pub mod inertia;
pub mod iterative;
pub mod lanczos;
pub mod scale;
mod small_eigen;
pub mod symmetric_product;

pub use condition::{Condition, Eigenvalues};
pub use dense_eigen::{Eigen, decompose};
