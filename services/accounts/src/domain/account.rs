//! Accounts and their values.

use std::fmt;

use chrono::{DateTime, Utc};
use skeleton::Refusal;
use uuid::Uuid;

/// The address an account signs in with: lowercase and well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

/// The owner's display name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

/// A password in plain text. `Debug` hides it.
pub struct Password(String);

/// A person who can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its unique id.
    pub id: Uuid,
    /// The address it signs in with.
    pub email: Email,
    /// The owner's display name.
    pub name: Name,
    /// Whether other members may search for a path to it by its address.
    pub discoverable: bool,
    /// Whether its owner may be named to strangers as an intermediary.
    pub nameable: bool,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

/// The changes that an owner asks for; `None` leaves a value unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The new name.
    pub name: Option<Name>,
    /// See [`Account::discoverable`].
    pub discoverable: Option<bool>,
    /// See [`Account::nameable`].
    pub nameable: Option<bool>,
}

/// Why an account cannot be created or changed as requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountRefusal {
    /// The text is not an e-mail address.
    #[error("this is not an e-mail address: write it like name@example.org")]
    Email,
    /// The name is empty, too long, or has unprintable characters.
    #[error("a name must have 1 to 100 printable characters")]
    Name,
    /// The password is too short or too long.
    #[error("a password must have 12 to 128 characters")]
    Password,
    /// The new password is too short or too long.
    #[error("a password must have 12 to 128 characters")]
    NewPassword,
    /// The current password is wrong.
    #[error("this is not your current password")]
    CurrentPassword,
    /// Another account has this address.
    #[error("an account with this e-mail address already exists: sign in, or use another address")]
    EmailTaken,
}

/// The address and the password do not match. Does not say which of them is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the e-mail address or the password is wrong")]
pub struct WrongPassword;

impl Email {
    /// Parses an address.
    ///
    /// # Errors
    /// If the text is not an address.
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
    /// Parses a name; leading and trailing spaces are removed.
    ///
    /// # Errors
    /// If it is empty, too long, or has unprintable characters.
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
    /// Checks a password for a new account.
    ///
    /// # Errors
    /// If it is too short or too long.
    pub fn parse(text: String) -> Result<Self, AccountRefusal> {
        (12..=128).contains(&text.chars().count()).then_some(Self(text)).ok_or(AccountRefusal::Password)
    }

    /// The password in plain text.
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
    /// The account with the given changes.
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
