//! The section about the mail server.

use serde::Deserialize;

use crate::config::Secret;

/// The mail server and the sender.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    /// `smtps://host:port` (TLS from the start), `smtp://host:port?tls=required` (STARTTLS), or `smtp://host:port` for
    /// plain text.
    pub url: String,
    /// A PEM file with the CA certificates that signed the server's certificate, unless a public CA did.
    #[serde(default)]
    pub tls_ca_file: Option<std::path::PathBuf>,
    /// Allows plain text to a server on another machine.
    #[serde(default)]
    pub allow_plaintext: bool,
    /// The user name for the mail server; empty for no login.
    #[serde(default)]
    pub user: String,
    /// The password.
    #[serde(default)]
    pub password: Secret,
    /// The sender, such as `Kith <kith@example.org>`.
    pub from: String,
}
