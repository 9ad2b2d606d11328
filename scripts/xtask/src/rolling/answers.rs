//! The results of a load's requests.

use std::{collections::BTreeMap, time::Duration};

/// How many failures are shown.
const SHOWN: usize = 10;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    AddContact,
    Import,
    ChangeMe,
    ShowContact,
    ListContacts,
    Search,
    Degrees,
    Me,
    Notifications,
}

/// The result of one request.
pub struct Answer {
    /// The kind of request.
    pub kind: Kind,
    /// From the moment the request was due until the response was read.
    pub took: Duration,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

/// How many requests failed.
pub fn failed<'answers>(answers: impl Iterator<Item = &'answers Answer>) -> usize {
    answers.filter(|answer| answer.failure.is_some()).count()
}

/// The latency at this percentile.
pub fn percentile(times: &mut [Duration], of_hundred: usize) -> u64 {
    times.sort();
    let place = (times.len() * of_hundred).div_ceil(100).saturating_sub(1);
    times.get(place).map_or(0, |time| time.as_millis() as u64)
}

/// Prints the figures of each kind, and the first failures.
pub fn print_table(answers: &[Answer]) {
    println!("\n{:<14} {:>8} {:>7} {:>8} {:>8}", "kind", "requests", "failed", "p50 ms", "p99 ms");
    for (kind, answers) in by_kind(answers) {
        let mut times: Vec<Duration> = answers.iter().map(|answer| answer.took).collect();
        let (half, most) = (percentile(&mut times, 50), percentile(&mut times, 99));
        let failed = failed(answers.iter().copied());
        let (asked, requests) = (format!("{kind:?}"), answers.len());
        println!("{asked:<14} {requests:>8} {failed:>7} {half:>8} {most:>8}");
    }
    for answer in answers.iter().filter(|answer| answer.failure.is_some()).take(SHOWN) {
        let failure = answer.failure.as_deref().unwrap_or_default();
        println!("{:?} failed after {} ms: {failure}", answer.kind, answer.took.as_millis());
    }
}

/// The answers by kind.
fn by_kind(answers: &[Answer]) -> BTreeMap<Kind, Vec<&Answer>> {
    let mut kinds: BTreeMap<Kind, Vec<&Answer>> = BTreeMap::new();
    for answer in answers {
        kinds.entry(answer.kind).or_default().push(answer);
    }
    kinds
}
