//! Mail by SMTP, as much of it as the mail server allows.

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

/// What a mail server answers when it takes no mail at all just now, from us or from anybody: it closes, is throttling,
/// or does not let us in (RFC 5321, RFC 4954, RFC 7504).
const TAKES_NO_MAIL: [u16; 8] = [421, 432, 454, 521, 530, 534, 535, 538];

/// How mail is sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    /// `smtps://host:port` (TLS from the start), `smtp://host:port?tls=required` (STARTTLS), or `smtp://host:port` for
    /// plain text.
    pub url: String,
    /// A PEM file with the authorities that have signed the server's certificate, if no public one has.
    #[serde(default)]
    pub tls_ca_file: Option<std::path::PathBuf>,
    /// Whether the server may be reached in plain text although it is on another machine.
    #[serde(default)]
    pub allow_plaintext: bool,
    /// Who signs in to the mail server; empty for nobody.
    #[serde(default)]
    pub user: String,
    /// Their password.
    #[serde(default)]
    pub password: Secret,
    /// Who the mail is from, `Kith <kith@example.org>`.
    pub from: String,
}

/// A mail to one person, plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// To whom.
    pub to: String,
    /// What about.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same mail again has the same id, so that a mailbox can tell.
    pub id: String,
}

/// Sends mail. Each is one conversation with the server.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    server: Partner,
}

impl Mailer {
    /// A mailer as the settings say, to a server with limits. Nothing is opened yet.
    ///
    /// # Errors
    /// Where the address of the server or of the sender is none, or the server's says plain text to another machine.
    pub fn new(settings: MailSettings, server: Partner) -> Result<Self, String> {
        let from = settings.from.parse().map_err(|error| format!("from: {error}"))?;
        let mut transport = encrypted(&settings)?;
        if !settings.user.is_empty() {
            transport = transport.credentials(Credentials::new(settings.user, settings.password.reveal().to_owned()));
        }
        Ok(Self { transport: transport.timeout(Some(Duration::from_secs(10))).build(), from, server })
    }

    /// Hands a mail to the server, when it is its turn.
    ///
    /// # Errors
    /// Retry where the server takes no mail now, or not this one; reject where it will never take this mail.
    pub async fn send(&self, mail: &Mail) -> Result<(), Failure> {
        let to: Mailbox = mail.to.parse().map_err(|_| refused("the address is not one that mail can be sent to"))?;
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

/// A way to the server whose certificate is checked, or plain text where that is allowed. TLS "if the server has it" is
/// plain text as soon as someone in between says that it has none.
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

/// The server's text may hold the address: only its kind is kept.
fn fault_of(error: &lettre::transport::smtp::Error) -> Fault {
    match error.status().map(u16::from) {
        Some(code) if TAKES_NO_MAIL.contains(&code) => Fault::Away(format!("takes no mail just now: {code}")),
        Some(_) if error.is_permanent() => Fault::Answer(refused("the mail server refuses this mail for good")),
        Some(_) => Fault::Answer(Failure::retry("the mail server does not take this mail just now")),
        None if error.is_timeout() => Fault::Away("does not answer in time".to_owned()),
        None => Fault::Away("cannot be reached".to_owned()),
    }
}

fn refused(detail: &str) -> Failure {
    Problem::new(422, "mail-refused", detail).into()
}
