//! Classifies errors of the Postgres client.

use std::error::Error;

use tokio_postgres::error::{DbError, SqlState};

use crate::{
    causes::{causes, with_causes},
    failure::{StoreError, StoreErrorKind},
};

pub(super) fn unavailable(error: impl std::fmt::Display) -> StoreError {
    StoreError::unavailable(format!("postgres: {error}"))
}

/// The server's message and SQLSTATE if the server has responded, or else the error with its causes. Without the
/// server's detail: it may contain the values of a row.
pub(super) fn text_of(error: &(dyn Error + 'static)) -> String {
    match causes(error).find_map(|cause| cause.downcast_ref::<DbError>()) {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => with_causes(error),
    }
}

pub(super) fn store_error(error: tokio_postgres::Error) -> StoreError {
    let text = format!("postgres: {}", text_of(&error));
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
    let constraint = error.as_db_error().and_then(|db| db.constraint());
    let plain = StoreError::new(kind_of(code), text);
    constraint.map_or(plain.clone(), |constraint| plain.with_constraint(constraint))
}

/// Errors after which the server cannot handle any message for now: connection failures (08); insufficient disk space,
/// memory or connections (53000 to 53300); shutdown or startup (57P); a terminated session (25P03); a read-only server
/// (25006: a replica after a failover).
///
/// The rest of class 53 is not included. A statement that exceeds a configured limit (53400, `temp_file_limit`) does
/// not get smaller by waiting.
const AWAY: [&str; 8] = ["08", "53000", "53100", "53200", "53300", "57P", "25P03", "25006"];

/// Errors caused by another transaction or a timeout: a retry may succeed.
const PASSING: [SqlState; 6] = [
    SqlState::T_R_SERIALIZATION_FAILURE,
    SqlState::T_R_DEADLOCK_DETECTED,
    SqlState::LOCK_NOT_AVAILABLE,
    SqlState::QUERY_CANCELED,
    SqlState::FEATURE_NOT_SUPPORTED,
    SqlState::IN_FAILED_SQL_TRANSACTION,
];

/// Errors caused by a value that no column can hold: a NUL in a text (22021) or in JSON (22P05), and a time out of range
/// (22008). The rest of class 22 (a division by zero, an overflow) is a mistake of the query.
const UNSTORABLE: [SqlState; 3] =
    [SqlState::CHARACTER_NOT_IN_REPERTOIRE, SqlState::UNTRANSLATABLE_CHARACTER, SqlState::DATETIME_FIELD_OVERFLOW];

fn kind_of(code: &SqlState) -> StoreErrorKind {
    if AWAY.iter().any(|away| code.code().starts_with(away)) {
        return StoreErrorKind::Unavailable;
    }
    match code {
        passing if PASSING.contains(passing) => StoreErrorKind::Conflict,
        unstorable if UNSTORABLE.contains(unstorable) => StoreErrorKind::Unstorable,
        _ => StoreErrorKind::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_room_or_without_writes_is_away_and_an_exceeded_limit_is_not() {
        let kind = |code: &str| kind_of(&SqlState::from_code(code));

        for away in ["08006", "25006", "25P03", "53000", "53100", "53200", "53300", "57P01", "57P03"] {
            assert_eq!(kind(away), StoreErrorKind::Unavailable, "{away}");
        }
        assert_eq!(kind("53400"), StoreErrorKind::Broken);
        assert_eq!([kind("40P01"), kind("57014")], [StoreErrorKind::Conflict; 2]);
        assert_eq!([kind("22021"), kind("22P05")], [StoreErrorKind::Unstorable; 2]);
        assert_eq!(kind("22012"), StoreErrorKind::Broken);
    }
}
