//! TLS to servers: which certificates are accepted, and where plain text is allowed.
//!
//! A certificate is always checked: its issuer, its validity period, and that it names the host in the address. No
//! setting turns that off. Plain text is limited to this machine, unless `allow_plaintext` is set.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// The permitted kinds of connection to a server.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    ca_file: Option<PathBuf>,
    pem: String,
    authorities: Vec<CertificateDer<'static>>,
    allow_plaintext: bool,
}

/// Why a connection is not permitted.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The CA file cannot be read.
    #[error("tls_ca_file: {path} cannot be read: {why}", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        why: std::io::Error,
    },
    /// The CA file is not a PEM file with certificates.
    #[error("tls_ca_file: {path} is not a PEM file with certificates", path = .0.display())]
    NoCertificates(PathBuf),
    /// The server is on another machine and the connection would be in plain text.
    #[error("url: {host} would be reached without TLS: write the address as {how}, or set allow_plaintext = true")]
    Plaintext {
        /// The server's name or address.
        host: String,
        /// The form of an address with TLS.
        how: &'static str,
    },
}

impl Tls {
    /// Reads the CA file, if the settings name one.
    ///
    /// # Errors
    /// If it cannot be read, or holds no certificate.
    pub fn new(ca_file: Option<&Path>, allow_plaintext: bool) -> Result<Self, TlsError> {
        let Some(path) = ca_file.filter(|path| !path.as_os_str().is_empty()) else {
            return Ok(Self { allow_plaintext, ..Self::default() });
        };
        let path = path.to_owned();
        let pem = fs::read_to_string(&path).map_err(|why| TlsError::Unreadable { path: path.clone(), why })?;
        let authorities: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        match authorities {
            Ok(authorities) if are_usable(&authorities) => {
                Ok(Self { ca_file: Some(path), pem, authorities, allow_plaintext })
            }
            _ => Err(TlsError::NoCertificates(path)),
        }
    }

    /// Checks that plain text to this host is allowed. `how` is the form of an address with TLS.
    ///
    /// # Errors
    /// If the host is another machine and the settings do not allow it.
    pub fn plaintext_to(&self, host: &str, how: &'static str) -> Result<(), TlsError> {
        match self.allow_plaintext || is_loopback(host) {
            true => Ok(()),
            // Of a malformed URL, the part before the last @ may be a password.
            false => Err(TlsError::Plaintext { host: host.rsplit('@').next().unwrap_or(host).to_owned(), how }),
        }
    }

    /// The CA certificates accepted besides the public ones, each as DER.
    pub fn authorities(&self) -> &[CertificateDer<'static>] {
        &self.authorities
    }

    /// The same as PEM text, if there are any.
    pub fn pem(&self) -> Option<&str> {
        (!self.pem.is_empty()).then_some(&*self.pem)
    }

    /// The file that they were read from.
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// A rustls client configuration that checks certificates.
    pub fn client_config(&self) -> ClientConfig {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        roots.add_parsable_certificates(self.authorities.iter().cloned());
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}

/// Whether there are certificates, and each can be a CA's.
fn are_usable(authorities: &[CertificateDer<'static>]) -> bool {
    let (accepted, _) = RootCertStore::empty().add_parsable_certificates(authorities.iter().cloned());
    accepted > 0 && accepted == authorities.len()
}

/// Whether a host is this machine: a loopback address, `localhost`, or the directory of a Unix socket.
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.starts_with('/')
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["127.0.0.1", "127.8.0.1", "::1", "[::1]", "::ffff:127.0.0.1", "localhost", "LOCALHOST", "/run/pg"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "postgres",
            "localhost.example.org",
            "127.0.0.1.example.org",
            "0.0.0.0",
            "::",
            "10.0.0.1",
            "",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn plain_text_to_another_machine_has_to_be_allowed() {
        let strict = Tls::default();
        let open = Tls::new(None, true).unwrap();

        let error = strict.plaintext_to("db.example.org", "bolt+s://").unwrap_err().to_string();

        assert!(error.contains("db.example.org") && error.contains("bolt+s://"), "{error}");
        assert!(error.contains("allow_plaintext"), "{error}");
        assert!(strict.plaintext_to("127.0.0.1", "").is_ok() && open.plaintext_to("db.example.org", "").is_ok());
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let path = std::env::temp_dir().join(format!("no-ca-{}", std::process::id()));
        for text in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            fs::write(&path, text).unwrap();
            assert!(matches!(Tls::new(Some(&path), false), Err(TlsError::NoCertificates(_))), "{text}");
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(Tls::new(Some(&path), false), Err(TlsError::Unreadable { .. })));
    }
}
