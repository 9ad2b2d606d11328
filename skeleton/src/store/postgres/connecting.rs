//! The errors of a connection: who refuses whom, where, and the settings to check.

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::{
    Config,
    config::Host,
    error::{Error, SqlState},
};

use super::error::{text_of, unavailable};
use crate::{failure::StoreError, store::target::Target};

impl Target {
    /// No connection was made.
    pub(super) fn connect_error(&self, error: &Error) -> StoreError {
        let why = text_of(error);
        if is_refusal(error) {
            let text = format!("postgres: {why}: {}", self.login());
            return if is_without_database(error) { StoreError::no_database(text) } else { StoreError::refused(text) };
        }
        unavailable(format!("{why}: {}", self.address()))
    }

    /// The server did not respond to a new connection in time.
    pub(super) fn no_answer(&self) -> StoreError {
        unavailable(format!("no connection within 5 s: {}", self.address()))
    }

    /// The pool has no connection to lend.
    pub(super) fn pool_error(&self, error: PoolError) -> StoreError {
        match error {
            PoolError::Backend(error) => self.connect_error(&error),
            PoolError::Timeout(TimeoutType::Wait) => unavailable("no connection was free within 5 s"),
            PoolError::Timeout(_) => self.no_answer(),
            error => unavailable(error),
        }
    }
}

fn is_without_database(error: &Error) -> bool {
    let codes = [SqlState::INVALID_CATALOG_NAME, SqlState::UNDEFINED_DATABASE];
    error.code().is_some_and(|code| codes.contains(code))
}

/// Whether the server refuses the login or the database: another attempt gets the same answer until a person changes
/// something.
fn is_refusal(error: &Error) -> bool {
    match error.code() {
        Some(code) => {
            code.code().starts_with("28") || *code == SqlState::INSUFFICIENT_PRIVILEGE || is_without_database(error)
        }
        // Found by the client: the server asks for a password, and none is set.
        None => text_of(error).contains("password missing"),
    }
}

/// The server, its database and the user.
pub(super) fn place(config: &Config) -> String {
    let user = config.get_user().unwrap_or("(not set)");
    format!("{}, database {}, user {user}", hosts(config).join(", "), config.get_dbname().unwrap_or(user))
}

fn hosts(config: &Config) -> Vec<String> {
    let ports = config.get_ports();
    let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
    let named = config.get_hosts().iter().enumerate().map(|(at, host)| match host {
        Host::Tcp(name) => format!("{name}:{}", port(at)),
        Host::Unix(folder) => format!("{}, port {}", folder.display(), port(at)),
    });
    named.collect()
}
