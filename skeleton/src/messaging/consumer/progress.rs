//! The subject cursors that the retry loop checks for messages waiting for their predecessor.
//!
//! A transaction of a replica advances a cursor, or adds a message that waits for it. After that transaction the
//! replica's own retry loop checks the cursor: whichever of two transactions becomes visible last, the check after it
//! sees both. So the cost of a check depends on the cursors that changed, not on the number of waiting messages. A
//! replica that dies in between loses its notes; a periodic check of all cursors finds what it left.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::store::CursorsToCheck;

/// The interval between two checks of all cursors.
const BETWEEN_LOOKS_AT_ALL: Duration = Duration::from_secs(10);

/// From this number of cursors on, a check of all is cheaper.
const MANY: usize = 5_000;

/// The cursors to check.
#[derive(Default)]
pub struct Progress(Mutex<BTreeSet<String>>);

impl Progress {
    /// Records that these cursors advanced, or that a message waits for them.
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

/// When the retry loop checks all cursors.
#[derive(Default)]
pub(super) struct Looks {
    next_at_all: Duration,
}

impl Looks {
    /// The cursors to check now. Times are the sum of the loop's waits.
    pub(super) fn lines(&mut self, progress: &Progress, waited: Duration) -> CursorsToCheck {
        let noted = progress.take();
        if noted.len() <= MANY && waited < self.next_at_all {
            return CursorsToCheck::These(noted.into_iter().collect());
        }
        self.next_at_all = waited + BETWEEN_LOOKS_AT_ALL;
        CursorsToCheck::All
    }

    /// Records that not all due messages were handled: the next check covers all cursors.
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
        let these = |lines: &[&str]| CursorsToCheck::These(lines.iter().map(|line| (*line).to_owned()).collect());

        assert_eq!(looks.lines(&progress, at(100)), CursorsToCheck::All);
        assert_eq!(looks.lines(&progress, at(101)), these(&[]));
        progress.note(["a 2".to_owned(), "a 1".to_owned(), "a 2".to_owned()]);
        assert_eq!(looks.lines(&progress, at(102)), these(&["a 1", "a 2"]));
        assert_eq!(looks.lines(&progress, at(109)), these(&[]));
        assert_eq!(looks.lines(&progress, at(110)), CursorsToCheck::All);
        looks.was_cut_short();
        assert_eq!(looks.lines(&progress, at(111)), CursorsToCheck::All);
        progress.note((0..=MANY + 1).map(|number| number.to_string()));
        assert_eq!(looks.lines(&progress, at(112)), CursorsToCheck::All);
    }
}
