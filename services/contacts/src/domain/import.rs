//! How a file becomes contacts.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use skeleton::Refusal;
use uuid::Uuid;

use super::files::{Card, Contents, MAX_FILE_BYTES, Problem};

/// The most bytes of a file that one request may bring.
pub const MAX_PART_BYTES: usize = 128 * 1024;
/// The most parts of a file.
pub const MAX_PARTS: usize = MAX_FILE_BYTES / MAX_PART_BYTES;

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The file is coming in.
    Uploading,
    /// The file is here and waits for its turn.
    Queued,
    /// Its cards are being taken in.
    Running,
    /// All are in.
    Finished,
    /// The file was no contacts file.
    Failed,
    /// Its owner wanted no more of it.
    Cancelled,
}

/// A file on its way into an address book.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// Its id.
    pub id: Uuid,
    /// Whose address book.
    pub account_id: Uuid,
    /// The file's name, as it came.
    pub file_name: Option<String>,
    /// What the file turned out to be.
    pub format: Option<String>,
    /// How far it is.
    pub status: Status,
    /// Cards or rows in the file.
    pub total: u32,
    /// Contacts that came in new.
    pub added: u32,
    /// Contacts that the file changed.
    pub changed: u32,
    /// Cards that brought nothing new.
    pub unchanged: u32,
    /// Cards or rows that could not be taken.
    pub failed: u32,
    /// Why the whole file was refused.
    pub error: Option<String>,
    /// When it was sent.
    pub created_at: DateTime<Utc>,
}

impl Import {
    /// Stops it: what is in stays. `None` where it was stopped before.
    ///
    /// # Errors
    /// Where it is at its end.
    pub fn cancel(&self) -> Result<Option<Self>, ImportRefusal> {
        match self.status {
            Status::Uploading | Status::Queued | Status::Running => {
                Ok(Some(Self { status: Status::Cancelled, ..self.clone() }))
            }
            Status::Cancelled => Ok(None),
            Status::Finished | Status::Failed => Err(ImportRefusal::Ended),
        }
    }

    /// How many cards or rows of the file are dealt with.
    pub fn done(&self) -> u32 {
        self.added + self.changed + self.unchanged + self.failed
    }
}

/// Why an import cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportRefusal {
    /// There is none of this id.
    #[error("there is no such import")]
    Missing,
    /// All of the file has come already.
    #[error("all of this file has come already")]
    Submitted,
    /// Some of the file is missing.
    #[error("not all parts of the file have come: send it again")]
    Incomplete,
    /// The file is too large.
    #[error("the file is larger than 32 MiB: split it")]
    TooLarge,
    /// A part is too large, or no base64.
    #[error("a part of the file is malformed: send at most 128 KiB as base64")]
    MalformedPart,
    /// It is at its end already.
    #[error("this import is at its end: there is nothing to cancel")]
    Ended,
    /// Too many at the same time.
    #[error("too many files are being read: wait until one of them is in")]
    TooMany,
}

impl Refusal for ImportRefusal {
    fn status(&self) -> u16 {
        match self {
            Self::Missing => 404,
            Self::Submitted | Self::Incomplete | Self::Ended => 409,
            Self::TooLarge => 413,
            Self::MalformedPart => 422,
            Self::TooMany => 429,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Missing => "not-found",
            Self::Submitted => "import-submitted",
            Self::Incomplete => "import-incomplete",
            Self::TooLarge => "file-too-large",
            Self::MalformedPart => "part-malformed",
            Self::Ended => "import-ended",
            Self::TooMany => "too-many-imports",
        }
    }
}

/// What is to be taken in, each with the key it is known by, and what could not be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Planned {
    /// The cards, one a key.
    pub cards: Vec<(String, Card)>,
    /// Remarks, in the order of the file.
    pub problems: Vec<Problem>,
    /// How many cards and rows there are.
    pub total: u32,
    /// How many of them could not be taken.
    pub failed: u32,
    /// How many of them are in another card of the same file.
    pub doubles: u32,
}

/// Plans a file: cards of one file that are the same person become one, and that is said.
///
/// Those with nothing but a name in common stay apart: people share names.
pub fn plan(contents: Contents) -> Planned {
    let mut planned = Planned { problems: contents.problems, ..Planned::default() };
    let taken: std::collections::HashSet<u32> = contents.entries.iter().map(|entry| entry.line).collect();
    let mut lost: Vec<u32> =
        planned.problems.iter().map(|problem| problem.line).filter(|line| !taken.contains(line)).collect();
    lost.dedup();
    planned.failed = count(lost.len());
    planned.total = count(contents.entries.len()) + planned.failed;
    // The place and the line of the first card of each key.
    let mut first: HashMap<String, (usize, u32)> = HashMap::new();
    for entry in contents.entries {
        let mut key = entry.card.source_key();
        if key.starts_with("name:") {
            key = unshared(key, &entry.card, &first, &planned.cards);
        }
        match first.get(&key) {
            None => {
                first.insert(key.clone(), (planned.cards.len(), entry.line));
                planned.cards.push((key, entry.card));
            }
            Some((place, line)) => {
                planned.doubles += 1;
                let kept = &mut planned.cards[*place].1;
                if *kept != entry.card {
                    *kept = united(kept.clone(), entry.card);
                    let reason = format!("this is the same person as in line {line}: both became one contact");
                    planned.problems.push(Problem { line: entry.line, reason });
                }
            }
        }
    }
    planned.problems.sort_by_key(|problem| problem.line);
    planned
}

/// A key of its own for a card that shares its name with others and is not the same.
fn unshared(key: String, card: &Card, first: &HashMap<String, (usize, u32)>, cards: &[(String, Card)]) -> String {
    let is_free_or_same = |key: &String| first.get(key).is_none_or(|(place, _)| cards[*place].1 == *card);
    std::iter::once(key.clone())
        .chain((2..).map(|number| format!("{key}|{number}")))
        .find(is_free_or_same)
        .unwrap_or(key)
}

/// Two cards of one person: the first one's word counts, the second adds what the first does not say.
fn united(first: Card, second: Card) -> Card {
    let both = |mut first: Vec<String>, second: Vec<String>| {
        first.extend(second.into_iter().filter(|item| !first.contains(item)).collect::<Vec<_>>());
        first
    };
    Card {
        uid: first.uid.or(second.uid),
        name: first.name,
        given_name: first.given_name.or(second.given_name),
        family_name: first.family_name.or(second.family_name),
        emails: both(first.emails, second.emails),
        phones: both(first.phones, second.phones),
        company: first.company.or(second.company),
        title: first.title.or(second.title),
        notes: first.notes.or(second.notes),
        urls: both(first.urls, second.urls),
        birthday: first.birthday.or(second.birthday),
        known_since: first.known_since.or(second.known_since),
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::files::read;

    fn planned(csv: &str) -> Planned {
        plan(read(csv.as_bytes()).expect("a contacts file"))
    }

    #[test]
    fn two_rows_with_one_address_become_one_contact_and_that_is_said() {
        let file = "First Name,Last Name,E-mail 1 - Value,Phone 1 - Value\nZoë,M,zoe@example.org,\nZ.,M,zoe@example.org,+49 30 1\n";

        let planned = planned(file);

        assert_eq!((planned.cards.len(), planned.total, planned.doubles, planned.failed), (1, 2, 1, 0));
        assert_eq!(planned.cards[0].1.phones, ["+49 30 1"]);
        assert_eq!(planned.problems[0].line, 3);
    }

    #[test]
    fn people_who_share_a_name_stay_apart_and_are_the_same_the_next_time() {
        let file = "First Name,Last Name,Notes\nJohn,Smith,red\nJohn,Smith,blue\nJohn,Smith,red\n";

        let planned = planned(file);

        let keys: Vec<_> = planned.cards.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["name:john smith|", "name:john smith||2"]);
        assert_eq!(planned.doubles, 1);
    }
}
