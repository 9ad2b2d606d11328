//! Imports: how a file becomes contacts.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use skeleton::Refusal;
use uuid::Uuid;

use super::files::{Card, Contents, MAX_FILE_BYTES, Problem};

/// The most bytes of a file in one request.
pub const MAX_PART_BYTES: usize = 128 * 1024;
/// The most parts of a file.
pub const MAX_PARTS: usize = MAX_FILE_BYTES / MAX_PART_BYTES;

/// The status of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The file is being uploaded.
    Uploading,
    /// The file is complete and waits for its turn.
    Queued,
    /// Its cards are being imported.
    Running,
    /// All cards have been imported.
    Finished,
    /// The file was not a contacts file.
    Failed,
    /// The owner cancelled it.
    Cancelled,
}

/// The import of a file into an address book.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// Its id.
    pub id: Uuid,
    /// The account whose address book it fills.
    pub account_id: Uuid,
    /// The file's name, as sent.
    pub file_name: Option<String>,
    /// The file's detected format.
    pub format: Option<String>,
    /// Its status.
    pub status: Status,
    /// Cards or rows in the file.
    pub total: u32,
    /// New contacts.
    pub added: u32,
    /// Contacts that the file changed.
    pub changed: u32,
    /// Cards with nothing new.
    pub unchanged: u32,
    /// Cards or rows that could not be imported.
    pub failed: u32,
    /// Why the whole file was refused.
    pub error: Option<String>,
    /// When it was started.
    pub created_at: DateTime<Utc>,
}

impl Import {
    /// Cancels it; contacts already imported are kept. `None` if it was cancelled before.
    ///
    /// # Errors
    /// If it has finished or failed.
    pub fn cancel(&self) -> Result<Option<Self>, ImportRefusal> {
        match self.status {
            Status::Uploading | Status::Queued | Status::Running => {
                Ok(Some(Self { status: Status::Cancelled, ..self.clone() }))
            }
            Status::Cancelled => Ok(None),
            Status::Finished | Status::Failed => Err(ImportRefusal::Ended),
        }
    }

    /// The number of cards or rows processed so far.
    pub fn done(&self) -> u32 {
        self.added + self.changed + self.unchanged + self.failed
    }
}

/// Why a request about an import is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportRefusal {
    /// There is no import with this id.
    #[error("there is no such import")]
    Missing,
    /// The whole file has already been sent.
    #[error("the whole file has already been uploaded")]
    Submitted,
    /// Parts of the file are missing.
    #[error("parts of the file are missing: upload it again")]
    Incomplete,
    /// The file is too large.
    #[error("the file is larger than 32 MiB: split it")]
    TooLarge,
    /// A part is too large, or not base64.
    #[error("a part of the file is malformed: send at most 128 KiB as base64")]
    MalformedPart,
    /// It has already ended.
    #[error("this import has already ended: there is nothing to cancel")]
    Ended,
    /// The account has too many unfinished imports.
    #[error("too many imports are in progress: wait until one of them has finished")]
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

/// The cards to import, each with its key, and the problems of the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Planned {
    /// The cards, one for each key.
    pub cards: Vec<(String, Card)>,
    /// The problems, in the order of the file.
    pub problems: Vec<Problem>,
    /// The number of cards and rows.
    pub total: u32,
    /// How many of them could not be imported.
    pub failed: u32,
    /// How many of them were merged into another card of the same file.
    pub doubles: u32,
}

/// Plans the import of a file: cards of the same person are merged, with a problem that says so.
///
/// Cards that share nothing but a name are not merged, because people share names.
pub fn plan(contents: Contents) -> Planned {
    let mut planned = Planned { problems: contents.problems, ..Planned::default() };
    let taken: std::collections::HashSet<u32> = contents.entries.iter().map(|entry| entry.line).collect();
    let mut lost: Vec<u32> =
        planned.problems.iter().map(|problem| problem.line).filter(|line| !taken.contains(line)).collect();
    lost.dedup();
    planned.failed = count(lost.len());
    planned.total = count(contents.entries.len()) + planned.failed;
    // The index and line of the first card of each key.
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
                    let reason =
                        format!("this is the same person as in line {line}: the two were merged into one contact");
                    planned.problems.push(Problem { line: entry.line, reason });
                }
            }
        }
    }
    planned.problems.sort_by_key(|problem| problem.line);
    planned
}

/// A unique key for a card that shares its name with other cards but differs from them.
fn unshared(key: String, card: &Card, first: &HashMap<String, (usize, u32)>, cards: &[(String, Card)]) -> String {
    let is_free_or_same = |key: &String| first.get(key).is_none_or(|(place, _)| cards[*place].1 == *card);
    std::iter::once(key.clone())
        .chain((2..).map(|number| format!("{key}|{number}")))
        .find(is_free_or_same)
        .unwrap_or(key)
}

/// Merges two cards of one person: the second adds the details that the first does not have.
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
