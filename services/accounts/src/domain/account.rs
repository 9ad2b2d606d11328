//! An account, and the values it is made of.

use std::fmt;

use chrono::{DateTime, Utc};
use skeleton::Refusal;
use uuid::Uuid;

/// The address an account signs in with: lowercase, and of a form that mail can be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

/// What others call the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

/// A password that someone has chosen. Never shown.
pub struct Password(String);

/// A person who can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Tells it from all others.
    pub id: Uuid,
    /// The address it signs in with.
    pub email: Email,
    /// What others call its owner.
    pub name: Name,
    /// Whether other members may look for a path to it by its address.
    pub discoverable: bool,
    /// Whether its owner may be named as a go-between to strangers.
    pub nameable: bool,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
}

/// What the owner wants to be otherwise; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The new name.
    pub name: Option<Name>,
    /// See [`Account::discoverable`].
    pub discoverable: Option<bool>,
    /// See [`Account::nameable`].
    pub nameable: Option<bool>,
}

/// Why an account cannot be opened or changed as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountRefusal {
    /// The text is no e-mail address.
    #[error("this is not an e-mail address: write it like name@example.org")]
    Email,
    /// The name is empty, too long, or holds characters that cannot be shown.
    #[error("a name has 1 to 100 characters, all of them printable")]
    Name,
    /// The password is too short or too long.
    #[error("a password has 12 to 128 characters")]
    Password,
    /// The new password is too short or too long.
    #[error("a password has 12 to 128 characters")]
    NewPassword,
    /// The password given as the one in force is not.
    #[error("this is not your current password")]
    CurrentPassword,
    /// Another account has this address.
    #[error("there is an account with this e-mail address already: sign in, or use another address")]
    EmailTaken,
}

/// Address and password do not go together. Does not say which of them is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("e-mail address or password is wrong")]
pub struct WrongPassword;

impl Email {
    /// Reads an address.
    ///
    /// # Errors
    /// Where the text is none.
    pub fn parse(text: &str) -> Result<Self, AccountRefusal> {
        let lowercase = text.trim().to_lowercase();
        let (local, domain) = lowercase.split_once('@').ok_or(AccountRefusal::Email)?;
        let is_good = lowercase.len() <= 254 && is_local_part(local) && is_domain(domain);
        is_good.then_some(Self(lowercase)).ok_or(AccountRefusal::Email)
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_local_part(text: &str) -> bool {
    let is_good = |letter: char| letter.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(letter);
    text.len() <= 64 && text.split('.').all(|part| !part.is_empty()) && text.chars().all(is_good)
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_good = |letter: char| letter.is_alphanumeric() || letter == '-';
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(is_good)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.contains('.') && text.split('.').all(is_label)
}

impl Name {
    /// Reads a name; spaces around it do not count.
    ///
    /// # Errors
    /// Where it is empty, too long, or holds characters that cannot be shown.
    pub fn parse(text: &str) -> Result<Self, AccountRefusal> {
        let name = text.trim();
        let is_good = (1..=100).contains(&name.chars().count()) && !name.chars().any(char::is_control);
        is_good.then(|| Self(name.to_owned())).ok_or(AccountRefusal::Name)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Password {
    /// Takes a password for a new account.
    ///
    /// # Errors
    /// Where it is too short or too long.
    pub fn parse(text: String) -> Result<Self, AccountRefusal> {
        (12..=128).contains(&text.chars().count()).then_some(Self(text)).ok_or(AccountRefusal::Password)
    }

    /// The password itself.
    pub fn reveal(self) -> String {
        self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(hidden)")
    }
}

impl Account {
    /// The account as its owner wants it.
    pub fn with(self, changes: Changes) -> Self {
        Self {
            name: changes.name.unwrap_or(self.name),
            discoverable: changes.discoverable.unwrap_or(self.discoverable),
            nameable: changes.nameable.unwrap_or(self.nameable),
            ..self
        }
    }
}

impl Refusal for AccountRefusal {
    fn status(&self) -> u16 {
        match self {
            Self::EmailTaken => 409,
            Self::Email | Self::Name | Self::Password | Self::NewPassword | Self::CurrentPassword => 422,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::EmailTaken => "email-taken",
            Self::CurrentPassword => "wrong-password",
            Self::Email | Self::Name | Self::Password | Self::NewPassword => "invalid-account",
        }
    }

    fn field(&self) -> Option<&'static str> {
        Some(match self {
            Self::Email | Self::EmailTaken => "email",
            Self::Name => "name",
            Self::Password => "password",
            Self::NewPassword => "password.new",
            Self::CurrentPassword => "password.current",
        })
    }
}

impl Refusal for WrongPassword {
    fn status(&self) -> u16 {
        401
    }

    fn code(&self) -> &'static str {
        "wrong-credentials"
    }
}
