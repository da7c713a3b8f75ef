//! Eigenvalues, inertia and condition numbers with brackets.
