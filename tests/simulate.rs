//! Tests of the simulate parts.

mod adiabatic_walk;
mod inversion;
mod kernel_reflection;
mod phases;
mod support;
mod verify;
