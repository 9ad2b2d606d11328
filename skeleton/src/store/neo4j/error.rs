//! Classifies errors of the Neo4j client.

use std::any::type_name;

use neo4rs::{DeError, Error, Neo4jError};

use crate::failure::{StoreError, StoreErrorKind};

/// The codes of a server that is unavailable for now or read-only: a follower after a change of leader, or a database
/// that was made read-only.
const UNAVAILABLE: [&str; 6] = [
    "Neo.ClientError.Cluster.NotALeader",
    "Neo.ClientError.General.ForbiddenOnReadOnlyDatabase",
    // What Neo4j 5.26 answers to a write if `server.databases.default_to_read_only` is set.
    "Neo.ClientError.General.WriteOnReadOnlyAccessDatabase",
    "Neo.TransientError.General.DatabaseUnavailable",
    "Neo.TransientError.Database.DatabaseUnavailable",
    "Neo.ClientError.Security.AuthenticationRateLimit",
];

/// The codes, besides the transient ones, of a conflict with another transaction or of a timeout.
const CONFLICT: [&str; 6] = [
    "Neo.ClientError.Schema.ConstraintValidationFailed",
    "Neo.ClientError.Statement.EntityNotFound",
    "Neo.ClientError.Transaction.LockClientStopped",
    "Neo.ClientError.Transaction.Terminated",
    "Neo.ClientError.Transaction.TransactionTimedOut",
    "Neo.ClientError.Transaction.TransactionTimedOutClientConfiguration",
];

/// The code of a wrong user or password.
const UNAUTHORIZED: &str = "Neo.ClientError.Security.Unauthorized";

fn refused() -> StoreError {
    StoreError::refused(format!("neo4j: the login is refused ({UNAUTHORIZED})"))
}

/// The error of a server that cannot be reached.
pub(super) fn unavailable(error: impl std::fmt::Display) -> StoreError {
    StoreError::unavailable(format!("neo4j: {error}"))
}

/// Classifies an error.
pub(super) fn store_error(error: Error) -> StoreError {
    match error {
        Error::Neo4j(error) => server_error(&error),
        Error::AuthenticationError(_) => refused(),
        Error::DeserializationError(error) => unreadable::<()>(&error),
        Error::IOError { .. }
        | Error::ConnectionError
        | Error::ConnectionTimedOut
        | Error::Ignored(_)
        | Error::IncompleteBoltExchange
        | Error::RequestIgnoredError
        | Error::ServerUnavailableError(_) => unavailable(error),
        error => StoreError::broken(format!("neo4j: {error}")),
    }
}

/// The error of a row that does not match the expected type. The text contains no values.
pub(super) fn unreadable<T>(error: &DeError) -> StoreError {
    let row = type_name::<T>();
    match error {
        DeError::PropertyMissingButRequired(Some(field)) | DeError::MissingField { field } => {
            StoreError::broken(format!("neo4j: a row does not match {row}: {field} is missing"))
        }
        _ => StoreError::broken(format!("neo4j: a row does not match {row}")),
    }
}

fn server_error(error: &Neo4jError) -> StoreError {
    let code = error.code();
    if code == UNAUTHORIZED {
        return refused();
    }
    let kind = kind_of(code);
    // The server's message may contain a node's values. Messages about a statement contain only the statement.
    if code.starts_with("Neo.ClientError.Statement.Syntax") || code.starts_with("Neo.ClientError.Statement.Parameter") {
        return StoreError::new(kind, format!("neo4j: {code}: {}", error.message()));
    }
    StoreError::new(kind, format!("neo4j: {code}"))
}

fn kind_of(code: &str) -> StoreErrorKind {
    match code {
        code if UNAVAILABLE.contains(&code) => StoreErrorKind::Unavailable,
        code if code.starts_with("Neo.TransientError.") || CONFLICT.contains(&code) => StoreErrorKind::Conflict,
        _ => StoreErrorKind::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_takes_no_changes_is_away() {
        let codes =
            ["Cluster.NotALeader", "General.ForbiddenOnReadOnlyDatabase", "General.WriteOnReadOnlyAccessDatabase"];
        for code in codes.map(|code| format!("Neo.ClientError.{code}")) {
            assert_eq!(kind_of(&code), StoreErrorKind::Unavailable, "{code}");
        }
    }

    #[test]
    fn a_connection_that_breaks_means_wait_for_the_store() {
        let broken = Error::IOError { detail: std::io::ErrorKind::BrokenPipe.into() };

        assert_eq!(store_error(broken).kind, StoreErrorKind::Unavailable);
    }

    #[test]
    fn a_row_that_cannot_be_read_does_not_show_its_values() {
        let error = DeError::Other("invalid type: string \"zoe@example.org\"".to_owned());

        assert_eq!(unreadable::<i64>(&error).to_string(), "neo4j: a row does not match i64");
    }
}
