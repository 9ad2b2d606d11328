//! Search queries, and the order of results.

use std::cmp::Ordering;

use search_events::{Found, FoundKind, SearchKind};
use skeleton::Refusal;
use uuid::Uuid;

/// The most characters of a query.
const LONGEST: usize = 200;

/// The default number of results, and the maximum.
const USUAL: u32 = 20;
const MOST: u32 = 50;

/// A text with more parts (words, and what punctuation cuts them into) is not a name with a typo, and searching for
/// similar terms of each part costs too much. It is then searched for as typed.
const PARTS_WITH_SLIPS: usize = 6;

/// The same applies to a part with more letters than these.
const LONGEST_PART_WITH_SLIPS: usize = 25;

/// Fewer digits than these are not searched for in phone numbers.
const FEWEST_DIGITS: usize = 3;

/// The kinds of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A person in the address book.
    Person,
    /// A company that a person in the address book works for.
    Company,
    /// The owner's note on a person.
    Note,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Person, Self::Company, Self::Note];
}

/// A search query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    text: String,
    words: Vec<String>,
    digits: Option<String>,
}

impl Query {
    /// Parses a query. `None` if it is empty.
    ///
    /// # Errors
    /// If the text is too long.
    pub fn parse(text: &str) -> Result<Option<Self>, SearchRefusal> {
        let text = text.trim();
        if text.chars().count() > LONGEST {
            return Err(SearchRefusal::TooLong);
        }
        if text.is_empty() {
            return Ok(None);
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        // A dash between two names is not a word; but in a query of signs alone, a smiley may be a name.
        let said: Vec<&str> = words.iter().copied().filter(|word| word.chars().any(char::is_alphanumeric)).collect();
        let words = if said.is_empty() { words } else { said };
        Ok(Some(Self {
            text: text.to_owned(),
            words: words.into_iter().map(str::to_owned).collect(),
            digits: phone_digits(text),
        }))
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its words.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Whether words may have typos and still match.
    pub fn forgives_slips(&self) -> bool {
        let cuts = |letter: char| letter.is_ascii() && !letter.is_ascii_alphanumeric();
        let parts = self.words.iter().flat_map(|word| word.split(cuts)).filter(|part| !part.is_empty());
        let lengths: Vec<usize> = parts.map(|part| part.chars().count()).collect();
        lengths.len() <= PARTS_WITH_SLIPS && lengths.iter().all(|length| *length <= LONGEST_PART_WITH_SLIPS)
    }

    /// Its digits, if it may be a phone number or a part of one.
    pub fn digits(&self) -> Option<&str> {
        self.digits.as_deref()
    }
}

/// The digits of a text that consists only of characters used in phone numbers. Leading zeros are left out: whether
/// they are dialled depends on the caller's location.
fn phone_digits(text: &str) -> Option<String> {
    let fits = |letter: char| letter.is_numeric() || letter.is_whitespace() || "+-().,/".contains(letter);
    let digits: String = text.chars().filter(|letter| letter.is_numeric()).collect();
    let digits = digits.trim_start_matches('0');
    (text.chars().all(fits) && digits.chars().count() >= FEWEST_DIGITS).then(|| digits.to_owned())
}

/// The maximum number of results.
///
/// # Errors
/// If the limit is 0 or too large.
pub fn limit(asked: Option<u32>) -> Result<usize, SearchRefusal> {
    match asked.unwrap_or(USUAL) {
        limit @ 1..=MOST => Ok(limit as usize),
        _ => Err(SearchRefusal::Limit),
    }
}

/// Why a search is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchRefusal {
    /// The text is too long.
    #[error("the text is too long: {LONGEST} characters at most")]
    TooLong,
    /// The limit is 0 or too large.
    #[error("the limit must be 1 to {MOST}")]
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

/// A result and its score.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Its kind.
    pub kind: Kind,
    /// Its score; comparable between kinds.
    pub score: f64,
    /// The contact, unless the result is a company.
    pub contact_id: Option<Uuid>,
    /// Its name.
    pub title: String,
    /// What distinguishes it from others with the same name.
    pub subtitle: String,
    /// The text around the match.
    pub highlight: Option<String>,
}

/// The best results, always in the same order.
pub fn best_of(mut found: Vec<Finding>, limit: usize) -> Vec<Finding> {
    found.sort_by(better);
    found.truncate(limit);
    found
}

fn better(one: &Finding, other: &Finding) -> Ordering {
    // The server adds the parts of a score in any order, so the last digits are meaningless.
    let score = |finding: &Finding| (finding.score * 100.0).round() as i64;
    score(other).cmp(&score(one)).then_with(|| {
        let rest = |finding: &Finding| (finding.kind, finding.title.to_lowercase(), finding.contact_id);
        rest(one).cmp(&rest(other))
    })
}

/// What distinguishes a person from others with the same name.
pub fn subtitle(title: Option<&str>, company: Option<&str>, addresses: &[String]) -> String {
    match (title, company) {
        (Some(title), Some(company)) => format!("{title}, {company}"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => addresses.first().cloned().unwrap_or_default(),
    }
}

/// What distinguishes a company from others with the same name: the number of contacts there.
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
