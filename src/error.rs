//! The one error type of every stage: a stable code, the place, what is wrong there, and the remedy.
//!
//! Each [`Error`] belongs to a [`Class`], which fixes the exit code of the program. A message always names
//! the file (or the option), the place inside it, and what the user can do.

use std::fmt;

/// What kind of failure it is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A regression was found or a gate failed (exit 1).
    Gate,
    /// The command line or a configuration file is wrong (exit 2).
    Usage,
    /// An input is malformed, hostile or does not fit the others (exit 3).
    Input,
    /// A memory or time limit would be exceeded (exit 4).
    Resource,
    /// A numerical certificate or a simulation check failed (exit 5).
    Certificate,
    /// The operating system refused a read or a write (exit 6).
    Io,
    /// The user interrupted the run (exit 130).
    Interrupted,
}

impl Class {
    /// The exit code of the contract.
    pub fn exit_code(self) -> u8 {
        match self {
            Class::Gate => 1,
            Class::Usage => 2,
            Class::Input => 3,
            Class::Resource => 4,
            Class::Certificate => 5,
            Class::Io => 6,
            Class::Interrupted => 130,
        }
    }
}

/// An error that a user can act on.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    /// Decides the exit code.
    pub class: Class,
    /// Stable identifier, `stage::reason`, for scripts and documentation.
    pub code: &'static str,
    /// The file, option or object, and the place inside it.
    pub place: String,
    /// What is wrong there.
    pub what: String,
    /// What the user can do about it; empty when there is nothing to add.
    pub remedy: String,
}

/// The result of every fallible stage.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of any class.
    pub fn new(
        class: Class,
        code: &'static str,
        place: impl fmt::Display,
        what: impl fmt::Display,
        remedy: impl fmt::Display,
    ) -> Self {
        Error { class, code, place: place.to_string(), what: what.to_string(), remedy: remedy.to_string() }
    }

    /// Malformed, hostile or unfitting input (exit 3).
    pub fn input(
        code: &'static str,
        place: impl fmt::Display,
        what: impl fmt::Display,
        remedy: impl fmt::Display,
    ) -> Self {
        Self::new(Class::Input, code, place, what, remedy)
    }

    /// A wrong command line or configuration (exit 2).
    pub fn usage(
        code: &'static str,
        place: impl fmt::Display,
        what: impl fmt::Display,
        remedy: impl fmt::Display,
    ) -> Self {
        Self::new(Class::Usage, code, place, what, remedy)
    }

    /// A limit would be exceeded (exit 4).
    pub fn resource(
        code: &'static str,
        place: impl fmt::Display,
        what: impl fmt::Display,
        remedy: impl fmt::Display,
    ) -> Self {
        Self::new(Class::Resource, code, place, what, remedy)
    }

    /// A numerical certificate or a simulation check failed (exit 5).
    pub fn certificate(
        code: &'static str,
        place: impl fmt::Display,
        what: impl fmt::Display,
        remedy: impl fmt::Display,
    ) -> Self {
        Self::new(Class::Certificate, code, place, what, remedy)
    }

    /// The operating system refused a read or a write of `place` (exit 6).
    pub fn io(place: impl fmt::Display, cause: &std::io::Error) -> Self {
        let remedy = match cause.kind() {
            std::io::ErrorKind::NotFound => "check the path",
            std::io::ErrorKind::PermissionDenied => "check the permissions",
            std::io::ErrorKind::StorageFull => "free some space and run again",
            _ => "",
        };
        Self::new(Class::Io, "io::failed", place, cause, remedy)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)?;
        if !self.remedy.is_empty() {
            write!(f, "\n  help: {}", self.remedy)?;
        }
        write!(f, "\n  code: {}", self.code)
    }
}

impl std::error::Error for Error {}
