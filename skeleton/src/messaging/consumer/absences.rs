//! The messages that the retry loop skips for a while, because something that their handler needs is unavailable.

use std::{collections::BTreeMap, time::Duration};

/// The skipped names. A pause grows until a message of the name is handled without that failure.
pub(super) struct Absences {
    first: Duration,
    longest: Duration,
    by_name: BTreeMap<String, Absence>,
}

struct Absence {
    until: Duration,
    pause: Duration,
}

impl Absences {
    /// Creates an empty set. A name is skipped for a time from `first` to `longest`.
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, by_name: BTreeMap::new() }
    }

    /// Records that something the handler of this name needs is unavailable. Times are the sum of the loop's waits.
    pub(super) fn note(&mut self, name: String, waited: Duration) {
        let before = self.by_name.get(&name).map(|absence| absence.pause);
        let pause = before.map_or(self.first, |pause| (pause * 2).min(self.longest));
        self.by_name.insert(name, Absence { until: waited + pause, pause });
    }

    /// Records that everything the handler of this name needs is available.
    pub(super) fn forget(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    /// The names skipped at present.
    pub(super) fn names(&self, waited: Duration) -> Vec<String> {
        self.by_name.iter().filter(|(_, absence)| waited < absence.until).map(|(name, _)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_grows_until_there_is_an_answer() {
        let mut absences = Absences::new(Duration::from_secs(1), Duration::from_secs(3));
        let at = Duration::from_secs;

        for (noted, over) in [(10, 11), (20, 22), (30, 33), (40, 43)] {
            absences.note("a.b.v1".to_owned(), at(noted));
            assert_eq!(absences.names(at(over - 1)), ["a.b.v1"]);
            assert!(absences.names(at(over)).is_empty());
        }
        absences.forget("a.b.v1");
        absences.note("a.b.v1".to_owned(), at(50));
        assert!(absences.names(at(51)).is_empty());
    }
}
