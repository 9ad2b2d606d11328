//! Mail by SMTP.

use std::time::Duration;

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::authentication::Credentials,
};
use serde::Deserialize;

use crate::{
    config::Secret,
    failure::{Failure, Problem, StoreError},
};

/// How mail is sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    /// `smtps://host:port`, `smtp://host:port?tls=required`, or `smtp://host:port` on a trusted network.
    pub url: String,
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

/// Sends mail.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Mailer {
    /// A mailer as the settings say. Nothing is opened yet.
    ///
    /// # Errors
    /// Where the address of the server or of the sender is none.
    pub fn new(settings: MailSettings) -> Result<Self, String> {
        let from = settings.from.parse().map_err(|error| format!("from: {error}"))?;
        let mut transport =
            AsyncSmtpTransport::<Tokio1Executor>::from_url(&settings.url).map_err(|error| format!("url: {error}"))?;
        if !settings.user.is_empty() {
            transport = transport.credentials(Credentials::new(settings.user, settings.password.reveal().to_owned()));
        }
        Ok(Self { transport: transport.timeout(Some(Duration::from_secs(10))).build(), from })
    }

    /// Hands a mail to the server.
    ///
    /// # Errors
    /// Retry where the server does not answer or says later; reject where it will never take this mail.
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
        match self.transport.send(message).await {
            Ok(_) => Ok(()),
            // The server's text may hold the address: only its kind is kept.
            Err(error) if error.is_permanent() => Err(refused("the mail server refuses this mail for good")),
            Err(_) => Err(Failure::Retry(StoreError::new(
                crate::failure::StoreErrorKind::Conflict,
                "the mail server does not take mail just now",
            ))),
        }
    }
}

fn refused(detail: &str) -> Failure {
    Problem::new(422, "mail-refused", detail).into()
}
