//! What an error of the library means for the work at hand.

use tokio_postgres::error::SqlState;

use crate::failure::{StoreError, StoreErrorKind};

pub(super) fn unavailable(error: impl std::fmt::Display) -> StoreError {
    StoreError::unavailable(format!("postgres: {error}"))
}

pub(super) fn store_error(error: tokio_postgres::Error) -> StoreError {
    let text = match error.as_db_error() {
        // Without the detail: it may hold a row's values.
        Some(db) => format!("postgres: {} ({})", db.message(), db.code().code()),
        None => format!("postgres: {error}"),
    };
    let Some(code) = error.code() else {
        let kind = if error.is_closed()
            || std::error::Error::source(&error).is_some_and(|source| source.is::<std::io::Error>())
        {
            StoreErrorKind::Unavailable
        } else {
            StoreErrorKind::Broken
        };
        return StoreError::new(kind, text);
    };
    let passing = [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::QUERY_CANCELED,
        SqlState::FEATURE_NOT_SUPPORTED,
        SqlState::IN_FAILED_SQL_TRANSACTION,
    ];
    let kind = match code.code() {
        // Connection trouble, too few resources, shut down or starting up, a session that was cut.
        code if ["08", "53", "57P", "25P03"].iter().any(|away| code.starts_with(away)) => StoreErrorKind::Unavailable,
        _ if passing.contains(code) => StoreErrorKind::Conflict,
        _ => StoreErrorKind::Broken,
    };
    let constraint = error.as_db_error().and_then(|db| db.constraint());
    let plain = StoreError::new(kind, text);
    constraint.map_or(plain.clone(), |constraint| plain.with_constraint(constraint))
}
