//! The sequence position of a message.

use serde::{Deserialize, Serialize};

/// A message's position among those of its subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequencePosition {
    /// The producer and the subject.
    pub line: String,
    /// The message's sequence; the first has 1.
    pub number: i64,
}

/// Advances a cursor over the numbers directly after it that are given up. `given_up` is sorted.
pub(crate) fn past_given_up(last: i64, given_up: impl IntoIterator<Item = i64>) -> i64 {
    given_up.into_iter().fold(last, |last, number| if number == last + 1 { number } else { last })
}
