//! The connection to the mail server, encrypted.

use lettre::{
    AsyncSmtpTransport, Tokio1Executor,
    transport::smtp::{
        AsyncSmtpTransportBuilder,
        client::{Certificate, Tls as Encryption, TlsParameters},
    },
};
use reqwest::Url;

use super::MailSettings;
use crate::tls::Tls;

/// A transport that checks the server's certificate, or plain text if that is allowed. Opportunistic TLS is not
/// offered: an attacker in between can downgrade it to plain text.
pub(super) fn encrypted(settings: &MailSettings) -> Result<AsyncSmtpTransportBuilder, String> {
    let transport =
        AsyncSmtpTransport::<Tokio1Executor>::from_url(&settings.url).map_err(|error| format!("url: {error}"))?;
    let tls = Tls::new(settings.tls_ca_file.as_deref(), settings.allow_plaintext).map_err(|error| error.to_string())?;
    let url = Url::parse(&settings.url).map_err(|error| format!("url: {error}"))?;
    let host = url.host_str().unwrap_or_default();
    let is_required = url.query_pairs().any(|(name, value)| name == "tls" && value == "required");
    if url.scheme() != "smtps" && !is_required {
        tls.plaintext_to(host, "smtps://host:465 or smtp://host:587?tls=required")
            .map_err(|error| error.to_string())?;
        return Ok(transport);
    }
    let parameters = parameters(host, &tls).map_err(|error| format!("tls_ca_file: {error}"))?;
    Ok(transport.tls(if is_required { Encryption::Required(parameters) } else { Encryption::Wrapper(parameters) }))
}

fn parameters(host: &str, tls: &Tls) -> Result<TlsParameters, lettre::transport::smtp::Error> {
    let mut parameters = TlsParameters::builder(host.to_owned());
    for authority in tls.authorities() {
        parameters = parameters.add_root_certificate(Certificate::from_der(authority.to_vec())?);
    }
    parameters.build_rustls()
}
