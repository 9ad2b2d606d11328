//! The addresses of the test servers.

use std::env;

/// The addresses of the servers, with the names and passwords of their administrators.
#[derive(Clone, Debug)]
pub struct Servers {
    /// `postgres://admin:password@host:port/postgres`
    pub postgres: String,
    /// `amqp://admin:password@host:port/%2f`
    pub amqp: String,
    /// `http://admin:password@host:port`, the broker's management API.
    pub rabbit_api: String,
    /// `bolt://neo4j:password@host:port`
    pub neo4j: String,
    /// `http://elastic:password@host:port`
    pub elasticsearch: String,
}

impl Servers {
    /// Reads `KITH_POSTGRES_URL` and the others, as `deploy/native/servers` writes them to `servers.env`.
    ///
    /// # Panics
    /// If one is missing.
    pub fn from_env() -> Self {
        let read = |name: &str| {
            env::var(name).unwrap_or_else(|_| {
                panic!("{name} is not set: run `scripts/test --servers` and source .run/test/servers.env")
            })
        };
        Self {
            postgres: read("KITH_POSTGRES_URL"),
            amqp: read("KITH_AMQP_URL"),
            rabbit_api: read("KITH_RABBIT_API"),
            neo4j: read("KITH_NEO4J_URL"),
            elasticsearch: read("KITH_ELASTICSEARCH_URL"),
        }
    }

    /// An address without its password, and the password.
    pub fn without_password(url: &str) -> (String, String) {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (login, place) = rest.split_once('@').unwrap_or(("", rest));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        (format!("{scheme}://{user}@{place}"), password.to_owned())
    }
}
