//! Whether a connection to Postgres is encrypted, according to its URL.

use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};

use crate::{failure::StoreError, tls::Tls};

/// The form of a URL with TLS.
const ENCRYPTED: &str = "postgres://user@host:5432/database?sslmode=require";

/// The refusal of a URL that cannot be read.
const INVALID: &str = "write it as postgres://user@host:5432/database, without the password";

/// Parses a URL. `sslmode=require` checks the certificate and the host name in it, as `verify-full` does; both are
/// accepted. Any other mode means plain text: encryption only if the server offers it protects against no attacker.
pub(super) fn config_of(url: &str, tls: &Tls) -> Result<Config, StoreError> {
    let url = url.replace("sslmode=verify-full", "sslmode=require");
    // The library's text may quote the URL, with a password in it.
    let mut config: Config = url.parse().map_err(|_| StoreError::broken(INVALID))?;
    if config.get_ssl_mode() == SslMode::Require {
        return Ok(config);
    }
    config.ssl_mode(SslMode::Disable);
    for host in hosts(&config) {
        tls.plaintext_to(&host, ENCRYPTED).map_err(StoreError::broken)?;
    }
    Ok(config)
}

/// The hosts of a connection: names, addresses and socket directories.
fn hosts(config: &Config) -> Vec<String> {
    let named = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(folder) => folder.display().to_string(),
    });
    named.chain(config.get_hostaddrs().iter().map(ToString::to_string)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn mode(url: &str) -> Result<SslMode, String> {
        config_of(url, &Tls::default()).map(|config| config.get_ssl_mode()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_on_another_machine_says_that_it_is_encrypted() {
        for url in [
            "postgres://contacts@db.example.org/contacts",
            "postgres://contacts@db.example.org/contacts?sslmode=prefer",
            "postgres://contacts@db.example.org/contacts?sslmode=disable",
            "postgres://contacts@127.0.0.1,db.example.org/contacts",
            "host=localhost hostaddr=10.0.0.1 user=contacts",
        ] {
            let error = mode(url).unwrap_err();
            assert!(error.contains("without TLS") && error.contains("sslmode=require"), "{url}: {error}");
            assert_eq!(
                config_of(url, &Tls::new(None, true).unwrap()).unwrap().get_ssl_mode(),
                SslMode::Disable,
                "{url}"
            );
        }
        assert_eq!(mode("postgres://contacts@db.example.org/contacts?sslmode=require"), Ok(SslMode::Require));
        assert_eq!(mode("postgres://contacts@db.example.org/contacts?sslmode=verify-full"), Ok(SslMode::Require));
        assert_eq!(mode("postgres://contacts@127.0.0.1/contacts"), Ok(SslMode::Disable));
        assert_eq!(mode("host=/run/postgresql user=contacts"), Ok(SslMode::Disable));
    }
}
