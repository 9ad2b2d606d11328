//! Which lines the retry loop checks for messages that waited for their predecessor.
//!
//! A line moves on, or gets a message behind, in a transaction of some replica. After that transaction the replica's own
//! retry loop checks the line: whichever of two transactions is seen last, the check after it sees both. So a look costs
//! what has moved, however many messages wait. A replica that dies in between loses its notes; a look at all lines now and
//! then finds what it left.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::store::LinesToCheck;

/// Between two looks at all lines.
const BETWEEN_LOOKS_AT_ALL: Duration = Duration::from_secs(10);

/// From this many lines on, a look at all is cheaper.
const MANY: usize = 5_000;

/// The lines to check.
#[derive(Default)]
pub struct Progress(Mutex<BTreeSet<String>>);

impl Progress {
    /// These lines have moved on, or got a message behind.
    pub(super) fn note(&self, lines: impl IntoIterator<Item = String>) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() <= MANY {
            noted.extend(lines);
        }
    }

    fn take(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// When the retry loop looks at all lines.
#[derive(Default)]
pub(super) struct Looks {
    next_at_all: Duration,
}

impl Looks {
    /// The lines to check now. Times are those that the loop has waited.
    pub(super) fn lines(&mut self, progress: &Progress, waited: Duration) -> LinesToCheck {
        let noted = progress.take();
        if noted.len() <= MANY && waited < self.next_at_all {
            return LinesToCheck::These(noted.into_iter().collect());
        }
        self.next_at_all = waited + BETWEEN_LOOKS_AT_ALL;
        LinesToCheck::All
    }

    /// Not everything that was found was handled: the next look is at all lines.
    pub(super) fn was_cut_short(&mut self) {
        self.next_at_all = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lines_are_checked_now_and_then_and_in_between_those_that_moved() {
        let (progress, mut looks) = (Progress::default(), Looks::default());
        let at = Duration::from_secs;
        let these = |lines: &[&str]| LinesToCheck::These(lines.iter().map(|line| (*line).to_owned()).collect());

        assert_eq!(looks.lines(&progress, at(100)), LinesToCheck::All);
        assert_eq!(looks.lines(&progress, at(101)), these(&[]));
        progress.note(["a 2".to_owned(), "a 1".to_owned(), "a 2".to_owned()]);
        assert_eq!(looks.lines(&progress, at(102)), these(&["a 1", "a 2"]));
        assert_eq!(looks.lines(&progress, at(109)), these(&[]));
        assert_eq!(looks.lines(&progress, at(110)), LinesToCheck::All);
        looks.was_cut_short();
        assert_eq!(looks.lines(&progress, at(111)), LinesToCheck::All);
        progress.note((0..=MANY + 1).map(|number| number.to_string()));
        assert_eq!(looks.lines(&progress, at(112)), LinesToCheck::All);
    }
}
