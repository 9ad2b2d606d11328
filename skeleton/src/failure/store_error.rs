//! Errors of stores.

use std::fmt;

use super::{Failure, Problem};

/// An error of a store.
#[derive(Clone, Debug)]
pub struct StoreError {
    /// The effect on the work in progress.
    pub kind: StoreErrorKind,
    message: String,
    constraint: Option<String>,
    remedy: Remedy,
}

/// What ends the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    /// Time, or a change to the code.
    None,
    /// A change of the login.
    Login,
    /// A new database, or its restore.
    #[cfg(feature = "postgres")]
    Database,
    /// A recovery of the store, or a start of the service.
    Recovery,
}

/// The effect of a store error on the work in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// The store does not respond: wait for it.
    Unavailable,
    /// A conflict with other work (deadlock, lost race, timeout): a retry may succeed.
    Conflict,
    /// The data contains a value that the store cannot hold, such as a NUL in a text: the sender's mistake.
    Unstorable,
    /// The query or its result is invalid: a bug.
    Broken,
}

impl StoreError {
    /// An error of the given kind.
    pub fn new(kind: StoreErrorKind, message: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string(), constraint: None, remedy: Remedy::None }
    }

    /// The query or its result is invalid.
    pub fn broken(message: impl fmt::Display) -> Self {
        Self::new(StoreErrorKind::Broken, message)
    }

    /// The store does not respond.
    pub fn unavailable(message: impl fmt::Display) -> Self {
        Self::new(StoreErrorKind::Unavailable, message)
    }

    /// The store refuses the login or the database: it is unavailable until a person changes something.
    pub fn refused(message: impl fmt::Display) -> Self {
        Self { remedy: Remedy::Login, ..Self::unavailable(message) }
    }

    /// The server has no such database.
    #[cfg(feature = "postgres")]
    pub(crate) fn no_database(message: impl fmt::Display) -> Self {
        Self { remedy: Remedy::Database, ..Self::unavailable(message) }
    }

    /// Whether the server has no such database.
    #[cfg(feature = "postgres")]
    pub(crate) fn is_without_database(&self) -> bool {
        self.remedy == Remedy::Database
    }

    /// The server responds, but has nothing of the service.
    pub(crate) fn unmigrated(server: &str) -> Self {
        let error = Self::unavailable(format_args!(
            "{server}: the database or the structure of this service is missing, or is not the one that it was started with. If the server \
             was emptied or replaced while the service ran, stop the service and follow docs/backups.md"
        ));
        Self { remedy: Remedy::Recovery, ..error }
    }

    /// Whether the server has nothing of the service, or another store than the one that it was started with.
    pub(crate) fn is_unmigrated(&self) -> bool {
        self.remedy == Remedy::Recovery
    }

    /// Whether the store refuses the login or the database.
    pub fn is_refused(&self) -> bool {
        !matches!(self.remedy, Remedy::None | Remedy::Recovery)
    }

    /// Adds to the message.
    #[cfg(feature = "neo4j")]
    pub(crate) fn with_detail(self, detail: impl fmt::Display) -> Self {
        Self { message: format!("{}: {detail}", self.message), ..self }
    }

    /// Adds the name of the violated constraint.
    pub fn with_constraint(self, constraint: impl Into<String>) -> Self {
        Self { constraint: Some(constraint.into()), ..self }
    }

    /// Whether this constraint was violated.
    pub fn breaks(&self, constraint: &str) -> bool {
        self.constraint.as_deref() == Some(constraint)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for StoreError {}

const NOT_STORABLE: &str =
    "a value cannot be stored: texts must not contain NUL (U+0000), and times must be between the years 1 and 9999";

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error.kind {
            StoreErrorKind::Unavailable | StoreErrorKind::Conflict => Self::Retry(error),
            StoreErrorKind::Unstorable => Self::Reject(Problem::new(422, "value-not-storable", NOT_STORABLE)),
            StoreErrorKind::Broken => Self::bug(error),
        }
    }
}
