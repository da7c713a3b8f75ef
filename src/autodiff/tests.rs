//! Tests of `autodiff`.
