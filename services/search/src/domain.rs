//! What may be asked, and in which order what was found is shown.

use std::cmp::Ordering;

use events::search::{Found, FoundKind, SearchKind};
use skeleton::Refusal;
use uuid::Uuid;

/// The most characters that may be typed.
const LONGEST: usize = 200;

/// How many things are found, at most, if nobody says otherwise, and if somebody does.
const USUAL: u32 = 20;
const MOST: u32 = 50;

/// Beyond so many parts (words, and what signs cut them into) a text is no name with a slip in it, and looking for what
/// is near each of them costs too much: it is then looked for as it was typed.
const PARTS_WITH_SLIPS: usize = 6;

/// So does a part with more letters than these.
const LONGEST_PART_WITH_SLIPS: usize = 25;

/// Fewer digits than these are not looked for in phone numbers.
const FEWEST_DIGITS: usize = 3;

/// What can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Someone in the address book.
    Person,
    /// A firm that someone in the address book works for.
    Company,
    /// What the owner has written about someone.
    Note,
}

impl Kind {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Person, Self::Company, Self::Note];
}

/// What was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    text: String,
    words: Vec<String>,
    digits: Option<String>,
}

impl Query {
    /// Reads what was typed. `None` where that is nothing.
    ///
    /// # Errors
    /// Refuses a text that is too long.
    pub fn parse(text: &str) -> Result<Option<Self>, SearchRefusal> {
        let text = text.trim();
        if text.chars().count() > LONGEST {
            return Err(SearchRefusal::TooLong);
        }
        if text.is_empty() {
            return Ok(None);
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        // A dash between two names is no word; but where there is nothing else, a smile may be a name.
        let said: Vec<&str> = words.iter().copied().filter(|word| word.chars().any(char::is_alphanumeric)).collect();
        let words = if said.is_empty() { words } else { said };
        Ok(Some(Self {
            text: text.to_owned(),
            words: words.into_iter().map(str::to_owned).collect(),
            digits: phone_digits(text),
        }))
    }

    /// The whole of it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its words.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Whether a word may be typed wrongly and still be found.
    pub fn forgives_slips(&self) -> bool {
        let cuts = |letter: char| letter.is_ascii() && !letter.is_ascii_alphanumeric();
        let parts = self.words.iter().flat_map(|word| word.split(cuts)).filter(|part| !part.is_empty());
        let lengths: Vec<usize> = parts.map(|part| part.chars().count()).collect();
        lengths.len() <= PARTS_WITH_SLIPS && lengths.iter().all(|length| *length <= LONGEST_PART_WITH_SLIPS)
    }

    /// Its digits, where it may be a phone number or a part of one.
    pub fn digits(&self) -> Option<&str> {
        self.digits.as_deref()
    }
}

/// The digits of a text that holds nothing but what phone numbers are written with. The zeros in front are left out:
/// they are dialled or not, depending on where from.
fn phone_digits(text: &str) -> Option<String> {
    let fits = |letter: char| letter.is_numeric() || letter.is_whitespace() || "+-().,/".contains(letter);
    let digits: String = text.chars().filter(|letter| letter.is_numeric()).collect();
    let digits = digits.trim_start_matches('0');
    (text.chars().all(fits) && digits.chars().count() >= FEWEST_DIGITS).then(|| digits.to_owned())
}

/// How many things are found at most.
///
/// # Errors
/// Refuses none and too many.
pub fn limit(asked: Option<u32>) -> Result<usize, SearchRefusal> {
    match asked.unwrap_or(USUAL) {
        limit @ 1..=MOST => Ok(limit as usize),
        _ => Err(SearchRefusal::Limit),
    }
}

/// Why a search is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchRefusal {
    /// Too much was typed.
    #[error("the text is too long: {LONGEST} characters at most")]
    TooLong,
    /// None, or too many, were asked for.
    #[error("the limit should be 1 to {MOST}")]
    Limit,
}

impl Refusal for SearchRefusal {
    fn status(&self) -> u16 {
        422
    }

    fn code(&self) -> &'static str {
        match self {
            Self::TooLong => "text-too-long",
            Self::Limit => "limit-out-of-range",
        }
    }

    fn field(&self) -> Option<&'static str> {
        Some(match self {
            Self::TooLong => "text",
            Self::Limit => "limit",
        })
    }
}

/// Something found, and how well it fits.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// How well it fits; comparable between kinds.
    pub score: f64,
    /// The contact, unless it is a company.
    pub contact_id: Option<Uuid>,
    /// Its name.
    pub title: String,
    /// What tells it from others of the name.
    pub subtitle: String,
    /// The text around the match.
    pub highlight: Option<String>,
}

/// The best of what was found, always in the same order.
pub fn best_of(mut found: Vec<Finding>, limit: usize) -> Vec<Finding> {
    found.sort_by(better);
    found.truncate(limit);
    found
}

fn better(one: &Finding, other: &Finding) -> Ordering {
    // The parts of a score are added up in an order of the server's choice: the last digits say nothing.
    let score = |finding: &Finding| (finding.score * 100.0).round() as i64;
    score(other).cmp(&score(one)).then_with(|| {
        let rest = |finding: &Finding| (finding.kind, finding.title.to_lowercase(), finding.contact_id);
        rest(one).cmp(&rest(other))
    })
}

/// What tells someone from others of the same name.
pub fn subtitle(title: Option<&str>, company: Option<&str>, addresses: &[String]) -> String {
    match (title, company) {
        (Some(title), Some(company)) => format!("{title}, {company}"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => addresses.first().cloned().unwrap_or_default(),
    }
}

/// What tells a company from others of the name: how many people one knows there.
pub fn people_there(count: u64) -> String {
    if count == 1 { "1 contact".to_owned() } else { format!("{count} contacts") }
}

impl From<SearchKind> for Kind {
    fn from(kind: SearchKind) -> Self {
        match kind {
            SearchKind::Person => Self::Person,
            SearchKind::Company => Self::Company,
            SearchKind::Note => Self::Note,
        }
    }
}

impl From<Finding> for Found {
    fn from(finding: Finding) -> Self {
        let kind = match finding.kind {
            Kind::Person => FoundKind::Person,
            Kind::Company => FoundKind::Company,
            Kind::Note => FoundKind::Note,
        };
        let Finding { contact_id, title, subtitle, highlight, .. } = finding;
        Self { kind, contact_id, title, subtitle, highlight }
    }
}

#[cfg(test)]
#[path = "domain_tests.rs"]
mod tests;
