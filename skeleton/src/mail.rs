//! Mail by SMTP, within the limits of the mail server.

use std::time::Duration;

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        AsyncSmtpTransportBuilder,
        authentication::Credentials,
        client::{Certificate, Tls as Encryption, TlsParameters},
    },
};
use reqwest::Url;
use serde::Deserialize;

use crate::{
    config::Secret,
    failure::{Failure, Problem},
    partner::{Fault, Partner},
    tls::Tls,
};

/// The replies of a mail server that accepts no mail at all at present, from this client or any: it closes the
/// connection, throttles, or rejects the login (RFC 5321, RFC 4954, RFC 7504).
const TAKES_NO_MAIL: [u16; 8] = [421, 432, 454, 521, 530, 534, 535, 538];

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

/// A plain-text mail to one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The recipient's address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The message id. A mail that is sent again has the same id, so that a mailbox can recognise it.
    pub id: String,
}

/// Sends mail. Each mail is one SMTP session.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    server: Partner,
}

impl Mailer {
    /// Creates a mailer from the settings, for a server with limits. It opens no connection yet.
    ///
    /// # Errors
    /// If the address of the server or of the sender is invalid, or the settings ask for plain text to another machine.
    pub fn new(settings: MailSettings, server: Partner) -> Result<Self, String> {
        let from = settings.from.parse().map_err(|error| format!("from: {error}"))?;
        let mut transport = encrypted(&settings)?;
        if !settings.user.is_empty() {
            transport = transport.credentials(Credentials::new(settings.user, settings.password.reveal().to_owned()));
        }
        Ok(Self { transport: transport.timeout(Some(Duration::from_secs(10))).build(), from, server })
    }

    /// Sends a mail, once the limits allow it.
    ///
    /// # Errors
    /// Retry if the server does not accept mail, or this mail, at present. Reject if it never accepts this mail.
    pub async fn send(&self, mail: &Mail) -> Result<(), Failure> {
        let to: Mailbox = mail.to.parse().map_err(|_| refused("invalid recipient address"))?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(&mail.subject)
            .message_id(Some(format!("<{}@kith>", mail.id)))
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text.clone())
            .map_err(Failure::bug)?;
        self.server.call(|| self.hand_over(message.clone())).await
    }

    async fn hand_over(&self, message: Message) -> Result<(), Fault> {
        match self.transport.send(message).await {
            Ok(_) => Ok(()),
            Err(error) => Err(fault_of(&error)),
        }
    }
}

/// A transport that checks the server's certificate, or plain text if that is allowed. Opportunistic TLS is not
/// offered: an attacker in between can downgrade it to plain text.
fn encrypted(settings: &MailSettings) -> Result<AsyncSmtpTransportBuilder, String> {
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

/// The server's text may contain the address, so only the kind of error is kept.
fn fault_of(error: &lettre::transport::smtp::Error) -> Fault {
    match error.status().map(u16::from) {
        Some(code) if TAKES_NO_MAIL.contains(&code) => Fault::Away(format!("accepts no mail at present: {code}")),
        Some(_) if error.is_permanent() => Fault::Answer(refused("the mail server permanently refused this mail")),
        Some(_) => Fault::Answer(Failure::retry("the mail server temporarily refused this mail")),
        None if error.is_timeout() => Fault::Away("timed out".to_owned()),
        None => Fault::Away("cannot be reached".to_owned()),
    }
}

fn refused(detail: &str) -> Failure {
    Problem::new(422, "mail-refused", detail).into()
}
