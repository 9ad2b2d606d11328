//! What has happened, and the texts of the notifications about it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    Kind, in_words,
    words::{amount, join, one_line, sentence},
};

/// Something that members are notified of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A contacts file has been imported.
    ImportFinished {
        /// The import.
        import: Uuid,
        /// The file's name, if it has one.
        file: Option<String>,
        /// New contacts.
        added: u32,
        /// Contacts that the file changed.
        changed: u32,
        /// Contacts that were already there, unchanged.
        unchanged: u32,
        /// Entries that could not be imported.
        failed: u32,
    },
    /// A contacts file could not be imported at all.
    ImportFailed {
        /// The import.
        import: Uuid,
        /// The file's name, if it has one.
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
    /// A sign-in from a device that the account has not used before.
    NewDevice {
        /// The session.
        session: Uuid,
        /// The device's user agent.
        device: String,
        /// When the sign-in happened.
        at: DateTime<Utc>,
    },
}

/// A notification for one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Its unique id.
    pub id: Uuid,
    /// The account that it is for.
    pub account_id: Uuid,
    /// What it is about.
    pub kind: Kind,
    /// One line.
    pub title: String,
    /// A sentence or two.
    pub body: String,
    /// When it was created.
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

    /// The thing it is about: an account is notified once per thing.
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
            Self::ImportFinished { file, added, changed, unchanged, .. } => {
                let total = added.saturating_add(*changed).saturating_add(*unchanged);
                let imported = amount(total, "contact", "contacts");
                file.as_ref().map_or(format!("Imported {imported}"), |file| format!("Imported {imported} from {file}"))
            }
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
            Self::ContactJoined { name, .. } if name.trim().is_empty() => {
                "Someone in your contacts has joined. See who you both know.".to_owned()
            }
            Self::ContactJoined { name, .. } => format!("{name} is in your contacts. See who you both know."),
            Self::NewDevice { device, at, .. } => format!(
                "Someone signed in with your password from {} on {} UTC. If this wasn't you, change your password now.",
                in_words(device),
                at.format("%-d %B %Y at %H:%M"),
            ),
        }
    }
}

fn import_in_words(added: u32, changed: u32, unchanged: u32, failed: u32) -> String {
    let taken = [
        (added, format!("{} added", amount(added, "contact was", "contacts were"))),
        (changed, format!("{} updated", amount(changed, "was", "were"))),
        (unchanged, format!("{} already there", amount(unchanged, "was", "were"))),
    ];
    let parts: Vec<String> = taken.into_iter().filter(|(count, _)| *count > 0).map(|(_, words)| words).collect();
    let mut text =
        if parts.is_empty() { "No contacts were imported.".to_owned() } else { format!("{}.", join(&parts)) };
    if failed > 0 {
        text.push_str(&format!(
            " {} not be read: open the import to see which, and why.",
            amount(failed, "entry could", "entries could")
        ));
    }
    text
}
