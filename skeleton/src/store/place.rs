//! The position of a message among those of its subject.

use serde::{Deserialize, Serialize};

/// A message's place among those of its subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequencePosition {
    /// The producer and the subject.
    pub line: String,
    /// The message's number; the first has 1.
    pub number: i64,
}

/// How far a line has come whose last message handled has this number: over those after it that are given up, which
/// come in their order.
pub(crate) fn past_given_up(last: i64, given_up: impl IntoIterator<Item = i64>) -> i64 {
    given_up.into_iter().fold(last, |last, number| if number == last + 1 { number } else { last })
}
