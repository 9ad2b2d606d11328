//! The section `[store]`, and the connection that it describes.

use std::time::Duration;

use neo4rs::{Config, ConfigBuilder};
use serde::Deserialize;

use super::error::store_error;
use crate::{
    config::{Secret, range},
    failure::StoreError,
    tls::Tls,
};

/// The number of rows fetched at once; more cost another round trip.
const ROWS_AT_ONCE: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreSettings {
    /// `bolt+s://user@host:port`, or `bolt://` for plain text, without the password.
    url: String,
    #[serde(default)]
    password: Secret,
    /// A PEM file with the certificate authorities that signed the server's certificate, unless a public one did.
    #[serde(default)]
    tls_ca_file: Option<std::path::PathBuf>,
    /// Whether plain-text connections to a server on another machine are allowed.
    #[serde(default)]
    allow_plaintext: bool,
    /// The maximum number of connections.
    #[serde(default = "sixteen", deserialize_with = "range::at_least_1")]
    pub(super) connections: usize,
    /// The time limit of a query, in milliseconds.
    #[serde(default = "four_seconds", deserialize_with = "range::at_least_1")]
    pub(super) query_timeout_ms: u64,
}

fn sixteen() -> usize {
    16
}

fn four_seconds() -> u64 {
    4000
}

impl StoreSettings {
    /// The connection settings; `limit` is the time limit for a connection and for each part of an answer.
    pub(super) fn config(&self, limit: Duration) -> Result<Config, StoreError> {
        let wrong = || StoreError::broken("write it as bolt://user@host:port, without the password");
        let (scheme, rest) = self.url.split_once("://").ok_or_else(wrong)?;
        // A password would become a part of the user's name, which the server may show.
        let (user, place) = rest.rsplit_once('@').filter(|(user, _)| !user.contains(':')).ok_or_else(wrong)?;
        self.encrypted(scheme, place)?
            .uri(format!("{scheme}://{place}"))
            .user(user)
            .password(self.password.reveal())
            .max_connections(1)
            .fetch_size(ROWS_AT_ONCE)
            .connection_timeout(limit)
            .tcp_keepalive(Duration::from_secs(10))
            .build()
            .map_err(store_error)
    }

    /// The server, as errors show it: without the password.
    pub(super) fn place(&self) -> String {
        let (_, rest) = self.url.split_once("://").unwrap_or_default();
        let (user, place) = rest.rsplit_once('@').unwrap_or_default();
        format!("{place}, user {}", user.split(':').next().unwrap_or_default())
    }

    /// The TLS part of the connection settings. Certificates are always checked, so schemes without that check are
    /// rejected.
    fn encrypted(&self, scheme: &str, place: &str) -> Result<ConfigBuilder, StoreError> {
        let tls = Tls::new(self.tls_ca_file.as_deref(), self.allow_plaintext).map_err(StoreError::broken)?;
        let builder = ConfigBuilder::default();
        if scheme.ends_with("+ssc") {
            return Err(StoreError::broken(format!(
                "{scheme}:// does not check certificates: write {}:// and set store.tls_ca_file",
                scheme.replace("+ssc", "+s")
            )));
        }
        if !scheme.ends_with("+s") {
            let host = reqwest::Url::parse(&format!("{scheme}://{place}"));
            let host = host.as_ref().ok().and_then(reqwest::Url::host_str).unwrap_or_default();
            tls.plaintext_to(host, "bolt+s://user@host:7687").map_err(StoreError::broken)?;
            return Ok(builder);
        }
        // Without a file, the driver uses the authorities that the operating system trusts.
        Ok(match tls.ca_file() {
            Some(file) => builder.with_client_certificate(file),
            None => builder,
        })
    }
}
