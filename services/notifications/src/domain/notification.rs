//! What has happened, and how it is told.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    Kind, in_words,
    words::{amount, join, one_line, sentence},
};

/// Something that has happened and is worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A contacts file has been read.
    ImportFinished {
        /// The import.
        import: Uuid,
        /// The file's name, where it has one.
        file: Option<String>,
        /// Contacts that came in new.
        added: u32,
        /// Contacts that the file changed.
        changed: u32,
        /// Contacts that were there already.
        unchanged: u32,
        /// Entries that could not be taken.
        failed: u32,
    },
    /// A contacts file could not be read at all.
    ImportFailed {
        /// The import.
        import: Uuid,
        /// The file's name, where it has one.
        file: Option<String>,
        /// What is wrong with it.
        reason: String,
    },
    /// Someone in the address book has become a member.
    ContactJoined {
        /// The contact.
        contact: Uuid,
        /// Their name in the address book.
        name: String,
    },
    /// Someone has signed in from a device not seen before.
    NewDevice {
        /// The session.
        session: Uuid,
        /// The device, as it calls itself.
        device: String,
        /// When.
        at: DateTime<Utc>,
    },
}

/// Something told to one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Tells it from all others.
    pub id: Uuid,
    /// Whom it is for.
    pub account_id: Uuid,
    /// What it is about.
    pub kind: Kind,
    /// One line.
    pub title: String,
    /// A sentence or two.
    pub body: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

impl News {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::ImportFinished { .. } => Kind::ImportFinished,
            Self::ImportFailed { .. } => Kind::ImportFailed,
            Self::ContactJoined { .. } => Kind::ContactJoined,
            Self::NewDevice { .. } => Kind::NewDevice,
        }
    }

    /// The thing it is about: nobody is told twice of the same thing.
    pub fn about(&self) -> Uuid {
        match self {
            Self::ImportFinished { import, .. } | Self::ImportFailed { import, .. } => *import,
            Self::ContactJoined { contact, .. } => *contact,
            Self::NewDevice { session, .. } => *session,
        }
    }

    /// The notification for an account.
    pub fn told_to(&self, account_id: Uuid, id: Uuid, created_at: DateTime<Utc>) -> Notification {
        Notification {
            id,
            account_id,
            kind: self.kind(),
            title: one_line(&self.title()),
            body: self.body(),
            created_at,
        }
    }

    fn title(&self) -> String {
        match self {
            Self::ImportFinished { file: Some(file), .. } => format!("{file} is in"),
            Self::ImportFinished { file: None, .. } => "Your contacts are in".to_owned(),
            Self::ImportFailed { file: Some(file), .. } => format!("{file} could not be imported"),
            Self::ImportFailed { file: None, .. } => "Your contacts could not be imported".to_owned(),
            Self::ContactJoined { name, .. } if name.trim().is_empty() => "Someone you know has joined Kith".to_owned(),
            Self::ContactJoined { name, .. } => format!("{name} has joined Kith"),
            Self::NewDevice { .. } => "New sign-in to your account".to_owned(),
        }
    }

    fn body(&self) -> String {
        match self {
            Self::ImportFinished { added, changed, unchanged, failed, .. } => {
                import_in_words(*added, *changed, *unchanged, *failed)
            }
            Self::ImportFailed { reason, .. } => sentence(reason),
            Self::ContactJoined { .. } => {
                "They are one of the contacts you imported. See who you both know.".to_owned()
            }
            Self::NewDevice { device, at, .. } => format!(
                "Someone signed in with your password from {} on {} UTC. If it was not you, change your password now.",
                in_words(device),
                at.format("%-d %B %Y at %H:%M"),
            ),
        }
    }
}

fn import_in_words(added: u32, changed: u32, unchanged: u32, failed: u32) -> String {
    let taken = [
        (added, format!("{} new", amount(added, "contact is", "contacts are"))),
        (changed, format!("{} changed", amount(changed, "was", "were"))),
        (unchanged, format!("{} there already", amount(unchanged, "was", "were"))),
    ];
    let parts: Vec<String> = taken.into_iter().filter(|(count, _)| *count > 0).map(|(_, words)| words).collect();
    let mut text = if parts.is_empty() { "No contacts came in.".to_owned() } else { format!("{}.", join(&parts)) };
    if failed > 0 {
        text.push_str(&format!(
            " {} not be read: the import shows which, and why.",
            amount(failed, "entry could", "entries could")
        ));
    }
    text
}
