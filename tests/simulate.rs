//! Tests of the simulate parts.

mod adiabatic_walk;
mod combinations;
mod command;
mod encodings;
mod gates;
mod inversion;
mod kernel_reflection;
mod levels;
mod measure;
mod noise;
mod paths;
mod phases;
mod support;
mod verify;
