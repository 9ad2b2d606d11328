//! How a process of a service ends.

use std::process::{ExitCode, Termination};

/// How a service ended.
#[derive(Debug)]
pub struct Exit(ExitCode);

/// The settings are wrong: starting again will not help (`EX_CONFIG` of sysexits.h).
pub(super) const WRONG_SETTINGS: u8 = 78;

impl Exit {
    pub(super) fn well() -> Self {
        Self(ExitCode::SUCCESS)
    }

    /// With a status that says something, and nothing on the error stream.
    pub(super) fn with(code: u8) -> Self {
        Self(ExitCode::from(code))
    }

    pub(super) fn failed(code: u8, error: impl std::fmt::Display) -> Self {
        eprintln!("{error}");
        Self(ExitCode::from(code))
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        self.0
    }
}
