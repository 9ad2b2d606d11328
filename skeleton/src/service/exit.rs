//! The exit status of a service's process.

use std::process::{ExitCode, Termination};

/// The result of a service's process.
#[derive(Debug)]
pub struct Exit(ExitCode);

/// The settings are invalid: a restart does not help (`EX_CONFIG` of sysexits.h).
pub(super) const WRONG_SETTINGS: u8 = 78;

impl Exit {
    pub(super) fn well() -> Self {
        Self(ExitCode::SUCCESS)
    }

    /// An exit status with a meaning, and nothing on standard error.
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
