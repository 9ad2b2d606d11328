//! Mail by SMTP, within the limits of the mail server.

mod fault;
mod settings;
mod transport;

use std::time::Duration;

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::authentication::Credentials,
};

pub use self::settings::MailSettings;
use self::{
    fault::{fault_of, refused},
    transport::encrypted,
};
use crate::{
    failure::Failure,
    partner::{Fault, Partner},
};

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
