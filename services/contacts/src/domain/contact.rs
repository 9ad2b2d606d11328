//! Contacts: the entries of an address book.

use chrono::{DateTime, Utc};
use skeleton::Refusal;
use uuid::Uuid;

use super::files::{Card, MAX_NAME_CHARS, MAX_NOTES_CHARS, MAX_VALUES, normal_email};

/// One entry of an address book.
#[derive(Clone, Debug, PartialEq)]
pub struct Contact {
    /// Its id.
    pub id: Uuid,
    /// The account whose address book it is in.
    pub owner_id: Uuid,
    /// The key that recognises it when the same file is imported again.
    pub source_key: String,
    /// The person in the network, if known.
    pub person_id: Option<Uuid>,
    /// Its details.
    pub card: Card,
    /// The details in the last imported file; `None` if it was added by hand.
    pub imported: Option<Card>,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub changed_at: DateTime<Utc>,
}

/// The requested changes: `None` leaves a detail unchanged, an empty text removes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// The full name.
    pub name: Option<String>,
    /// The given name.
    pub given_name: Option<String>,
    /// The family name.
    pub family_name: Option<String>,
    /// The complete new list of e-mail addresses.
    pub emails: Option<Vec<String>>,
    /// The complete new list of phone numbers.
    pub phones: Option<Vec<String>>,
    /// The company.
    pub company: Option<String>,
    /// The job title.
    pub title: Option<String>,
    /// The owner's notes.
    pub notes: Option<String>,
    /// The complete new list of web addresses.
    pub urls: Option<Vec<String>>,
}

/// Why a contact cannot be added or changed as requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContactRefusal {
    /// A contact without a name.
    #[error("a contact needs a name")]
    NoName,
    /// An invalid e-mail address.
    #[error("one of the e-mail addresses is not valid: correct it or leave it out")]
    MalformedEmail,
    /// A text beyond its limit.
    #[error("this text is too long: names have 500 characters at most, notes 20,000")]
    TooLong,
    /// A list beyond its limit.
    #[error("this list is too long: it has 50 entries at most")]
    TooMany,
    /// The address book already has this contact.
    #[error("a contact with this e-mail address, phone number or name already exists: change that one")]
    Exists,
}

impl Refusal for ContactRefusal {
    fn status(&self) -> u16 {
        match self {
            Self::Exists => 409,
            Self::NoName | Self::MalformedEmail | Self::TooLong | Self::TooMany => 422,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoName => "name-missing",
            Self::MalformedEmail => "email-malformed",
            Self::TooLong => "text-too-long",
            Self::TooMany => "list-too-long",
            Self::Exists => "contact-exists",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Self::NoName => Some("name"),
            Self::MalformedEmail => Some("emails"),
            Self::TooLong | Self::TooMany | Self::Exists => None,
        }
    }
}

impl Contact {
    /// A contact from a file.
    pub fn imported(id: Uuid, owner_id: Uuid, source_key: String, card: Card, at: DateTime<Utc>) -> Self {
        let imported = Some(card.clone());
        Self { id, owner_id, source_key, person_id: None, card, imported, created_at: at, changed_at: at }
    }

    /// A contact added by hand.
    ///
    /// # Errors
    /// If it has no name, or a value is malformed or too long.
    pub fn written(id: Uuid, owner_id: Uuid, details: Change, at: DateTime<Utc>) -> Result<Self, ContactRefusal> {
        let card = checked(with(Card::default(), details))?;
        let source_key = card.source_key();
        Ok(Self { id, owner_id, source_key, person_id: None, card, imported: None, created_at: at, changed_at: at })
    }

    /// Takes over the details that differ from the file's previous version; the owner's own changes are kept. `None` if
    /// the file has nothing new.
    pub fn updated_from(self, file: &Card, at: DateTime<Utc>) -> Option<Self> {
        if self.imported.as_ref() == Some(file) {
            return None;
        }
        let before = self.imported.clone().unwrap_or_default();
        let card = merged(&before, &self.card, file);
        Some(Self { card, imported: Some(file.clone()), changed_at: at, ..self })
    }

    /// Applies the given changes.
    ///
    /// # Errors
    /// If the name would be empty, or a value is malformed or too long.
    pub fn change(self, change: Change, at: DateTime<Utc>) -> Result<Self, ContactRefusal> {
        let card = checked(with(self.card, change))?;
        Ok(Self { card, changed_at: at, ..self })
    }
}

/// For each detail: the file's value if the file has changed it, otherwise the owner's.
fn merged(before: &Card, owners: &Card, file: &Card) -> Card {
    fn newer<T: PartialEq + Clone>(before: &T, owners: &T, file: &T) -> T {
        if file == before { owners.clone() } else { file.clone() }
    }
    Card {
        uid: newer(&before.uid, &owners.uid, &file.uid),
        name: newer(&before.name, &owners.name, &file.name),
        given_name: newer(&before.given_name, &owners.given_name, &file.given_name),
        family_name: newer(&before.family_name, &owners.family_name, &file.family_name),
        emails: newer(&before.emails, &owners.emails, &file.emails),
        phones: newer(&before.phones, &owners.phones, &file.phones),
        company: newer(&before.company, &owners.company, &file.company),
        title: newer(&before.title, &owners.title, &file.title),
        notes: newer(&before.notes, &owners.notes, &file.notes),
        urls: newer(&before.urls, &owners.urls, &file.urls),
        birthday: newer(&before.birthday, &owners.birthday, &file.birthday),
        known_since: newer(&before.known_since, &owners.known_since, &file.known_since),
    }
}

fn with(card: Card, change: Change) -> Card {
    let text = |given: Option<String>, old: Option<String>| match given {
        Some(new) => Some(new.trim().to_owned()).filter(|new| !new.is_empty()),
        None => old,
    };
    let list = |given: Option<Vec<String>>, old: Vec<String>| match given {
        Some(new) => new.iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect(),
        None => old,
    };
    Card {
        name: change.name.map_or(card.name, |name| name.trim().to_owned()),
        given_name: text(change.given_name, card.given_name),
        family_name: text(change.family_name, card.family_name),
        emails: list(change.emails, card.emails),
        phones: list(change.phones, card.phones),
        company: text(change.company, card.company),
        title: text(change.title, card.title),
        notes: text(change.notes, card.notes),
        urls: list(change.urls, card.urls),
        ..card
    }
}

fn checked(card: Card) -> Result<Card, ContactRefusal> {
    if card.name.is_empty() {
        return Err(ContactRefusal::NoName);
    }
    let too_long = |text: &str, limit: usize| text.chars().count() > limit;
    let names = [
        Some(&card.name),
        card.given_name.as_ref(),
        card.family_name.as_ref(),
        card.company.as_ref(),
        card.title.as_ref(),
    ];
    let lists = [&card.emails, &card.phones, &card.urls];
    if names.into_iter().flatten().any(|text| too_long(text, MAX_NAME_CHARS))
        || lists.iter().copied().flatten().any(|text| too_long(text, MAX_NAME_CHARS))
        || card.notes.as_ref().is_some_and(|notes| too_long(notes, MAX_NOTES_CHARS))
    {
        return Err(ContactRefusal::TooLong);
    }
    if lists.iter().any(|list| list.len() > MAX_VALUES) {
        return Err(ContactRefusal::TooMany);
    }
    let emails = card.emails.iter().map(|email| normal_email(email)).collect::<Option<Vec<_>>>();
    Ok(Card { emails: emails.ok_or(ContactRefusal::MalformedEmail)?, ..card })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn card(notes: &str) -> Card {
        Card { name: "Zoë".to_owned(), notes: Some(notes.to_owned()), ..Card::default() }
    }

    fn zoe() -> Contact {
        Contact::imported(Uuid::nil(), Uuid::nil(), "name:zoë|".to_owned(), card("from the file"), noon())
    }

    #[test]
    fn the_same_card_again_changes_nothing() {
        assert_eq!(zoe().updated_from(&card("from the file"), noon()), None);
    }

    #[test]
    fn the_same_file_does_not_undo_what_the_owner_has_changed() {
        let change = Change { notes: Some("my own".to_owned()), ..Change::default() };
        let mine = zoe().change(change, noon()).expect("good");

        assert_eq!(mine.clone().updated_from(&card("from the file"), noon()), None);
        let newer = Card { title: Some("Engineer".to_owned()), ..card("from the file") };
        let updated = mine.updated_from(&newer, noon()).expect("something is new");
        assert_eq!(updated.card.notes.as_deref(), Some("my own"));
        assert_eq!(updated.card.title.as_deref(), Some("Engineer"));
    }

    #[test]
    fn an_empty_text_takes_a_detail_away_but_never_the_name() {
        let without = |change| zoe().change(change, noon());
        let notes = without(Change { notes: Some(" ".to_owned()), ..Change::default() });

        assert_eq!(notes.map(|contact| contact.card.notes), Ok(None));
        assert_eq!(without(Change { name: Some(String::new()), ..Change::default() }), Err(ContactRefusal::NoName));
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        let change = Change { emails: Some(vec!["zoe at example".to_owned()]), ..Change::default() };

        assert_eq!(zoe().change(change, noon()), Err(ContactRefusal::MalformedEmail));
    }
}
