//! A slice of all ids, and a checksum that shows whether two sides have the same entities in it.

use std::fmt;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{failure::Problem, paging};

/// The maximum number of leading digits that name a slice.
const MOST_DIGITS: usize = 8;

/// The maximum number of snapshots in a page.
const LARGEST_PAGE: u32 = 500;

/// The approximate number of entities in a slice.
const SIZE: i64 = 500;

/// The ids that begin with certain hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice(String);

impl Slice {
    /// The slice of all ids.
    pub fn whole() -> Self {
        Self(String::new())
    }

    /// Parses a slice from its digits.
    ///
    /// # Errors
    /// Rejects characters that are not hexadecimal digits, and more than eight digits.
    pub fn parse(digits: &str) -> Result<Self, Problem> {
        let is_digit = |letter: char| letter.is_ascii_digit() || ('a'..='f').contains(&letter);
        if digits.len() <= MOST_DIGITS && digits.chars().all(is_digit) {
            return Ok(Self(digits.to_owned()));
        }
        Err(Problem::new(422, "slice-malformed", "within must be at most eight hexadecimal digits, 0 to 9 and a to f"))
    }

    /// Slices that together cover all ids, each of a handy size for this number of entities.
    pub fn all_for(count: i64) -> Vec<Self> {
        let width = (0..4).find(|width| count <= SIZE << (4 * width)).unwrap_or(4);
        Self::in_number(1 << (4 * width))
    }

    /// This number of slices, a power of sixteen, that together cover all ids.
    pub fn in_number(number: usize) -> Vec<Self> {
        let width = number.trailing_zeros() as usize / 4;
        if width == 0 {
            return vec![Self::whole()];
        }
        (0..number).map(|number| Self(format!("{number:0width$x}"))).collect()
    }

    /// The digits.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// The lowest id.
    pub fn first(&self) -> Uuid {
        self.filled_up_with('0')
    }

    /// The highest id.
    pub fn last(&self) -> Uuid {
        self.filled_up_with('f')
    }

    fn filled_up_with(&self, digit: char) -> Uuid {
        let digits: String = self.0.chars().chain(std::iter::repeat(digit)).take(32).collect();
        Uuid::try_parse(&digits).unwrap_or_else(|_| unreachable!("32 hexadecimal digits are an id"))
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { write!(formatter, "all") } else { write!(formatter, "{}...", self.0) }
    }
}

/// The number of entities in a page of snapshots.
///
/// # Errors
/// Rejects zero and more than 500.
pub(crate) fn page_limit(asked: Option<u32>) -> Result<i64, Problem> {
    paging::page_limit(asked, LARGEST_PAGE, LARGEST_PAGE).map(i64::from)
}

/// The number of entities, and a checksum over the id and sequence of each, independent of their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// The number of entities.
    pub count: i64,
    /// Sixteen hexadecimal digits: the first eight bytes of the SHA-256 of each `<id> <sequence>`, combined by
    /// exclusive or.
    pub checksum: String,
}

impl Sum {
    /// The sum of these entities.
    pub fn of(things: impl IntoIterator<Item = (Uuid, i64)>) -> Self {
        let (mut count, mut joined) = (0, 0u64);
        for (id, sequence) in things {
            let mut eight = [0; 8];
            eight.copy_from_slice(&Sha256::digest(format!("{id} {sequence}"))[..8]);
            (count, joined) = (count + 1, joined ^ u64::from_be_bytes(eight));
        }
        Self { count, checksum: format!("{joined:016x}") }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} with the checksum {}", self.count, self.checksum)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_everything_without_a_gap_or_an_overlap() {
        for count in [0, 500, 501, 10_000, 200_000] {
            let slices = Slice::all_for(count);
            assert_eq!((slices[0].first(), slices[slices.len() - 1].last()), (Uuid::nil(), Uuid::max()));
            for pair in slices.windows(2) {
                assert_eq!(pair[0].last().as_u128() + 1, pair[1].first().as_u128());
            }
        }
        assert_eq!(Slice::all_for(501).len(), 16);
    }

    #[test]
    fn what_are_no_digits_is_refused() {
        for wrong in ["g", "1F", "123456789", "%"] {
            assert_eq!(Slice::parse(wrong).unwrap_err().status, 422, "{wrong}");
        }
    }

    #[test]
    fn a_sum_does_not_depend_on_the_order_and_tells_every_difference() {
        let (one, two) = ((Uuid::from_u128(1), 1), (Uuid::from_u128(2), 7));

        assert_eq!(Sum::of([one, two]), Sum::of([two, one]));
        for other in [vec![one], vec![one, (two.0, 8)], vec![one, (Uuid::from_u128(3), 7)], vec![one, one, two, two]] {
            assert_ne!(Sum::of(other), Sum::of([one, two]));
        }
    }
}
