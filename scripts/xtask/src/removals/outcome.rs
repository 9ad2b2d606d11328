//! The result of removing a mechanism, as a line on the terminal and of the table in docs/removals.md.

use std::{fmt, time::Duration};

use anyhow::{Result, ensure};
use tokio::process::Command;

use super::{
    list::{Removal, removals},
    run::Verdict,
};
use crate::{
    native::repository,
    page_table::{PageTable, cell},
};

/// The table in docs/removals.md.
pub const TABLE: PageTable = PageTable {
    name: "removals",
    columns: &["mechanism", "without it", "test", "the test is then", "seconds", "date, revision"],
};

/// The result of removing a mechanism.
pub struct Outcome<'run> {
    /// The mechanism.
    pub removal: &'static Removal,
    /// The result of its test without it.
    pub verdict: Result<Verdict>,
    /// How long building and running took.
    pub took: Duration,
    /// The revision that was tested.
    pub revision: &'run str,
}

impl Outcome<'_> {
    /// Whether the test fails without the mechanism.
    pub fn is_guarded(&self) -> bool {
        matches!(self.verdict, Ok(Verdict::Red))
    }

    fn word(&self) -> String {
        match &self.verdict {
            Ok(Verdict::Red) => "red".to_owned(),
            Ok(Verdict::Green) => "GREEN".to_owned(),
            Err(error) => format!("NOT RUN: {error:#}").chars().take(300).collect(),
        }
    }

    /// Its index in the list, and its line of the table.
    pub fn line(&self) -> (usize, String) {
        let Removal { name, without, test, .. } = self.removal;
        let place = removals().position(|removal| removal.name == *name).unwrap_or(usize::MAX);
        let (word, seconds) = (cell(&self.word()), self.took.as_secs());
        let when = format!("{}, {}", chrono::Utc::now().format("%Y-%m-%d"), self.revision);
        (place, format!("| {name} | {} | `{test}` | {word} | {seconds} | {when} |", cell(without)))
    }
}

impl fmt::Display for Outcome<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Removal { name, without, test, .. } = self.removal;
        write!(formatter, "without {name:<24} {}: {test} ({without})", self.word())
    }
}

/// The index of the mechanism that a line of the table is about; `None` if it is no longer in the list.
pub fn place_of(line: &str) -> Option<usize> {
    let name = line.strip_prefix("| ")?.split(' ').next()?;
    removals().position(|removal| removal.name == name)
}

/// The current commit, and whether there are uncommitted changes.
pub async fn revision() -> Result<String> {
    let git = |arguments: &[&str]| Command::new("git").args(arguments).current_dir(repository()).output();
    let (commit, changes) = (git(&["rev-parse", "--short", "HEAD"]).await?, git(&["status", "--porcelain"]).await?);
    ensure!(commit.status.success() && changes.status.success(), "this is not a git repository");
    let commit = String::from_utf8(commit.stdout)?;
    Ok(format!("{}{}", commit.trim(), if changes.stdout.is_empty() { "" } else { " with changes" }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_a_line_of_the_table_is_about_is_read_from_it() {
        for (place, removal) in removals().enumerate() {
            let outcome = Outcome { removal, verdict: Ok(Verdict::Red), took: Duration::ZERO, revision: "0" };
            assert_eq!((outcome.line().0, place_of(&outcome.line().1)), (place, Some(place)), "{}", removal.name);
        }
        assert_eq!(place_of("| none-such | x |"), None);
    }

    #[test]
    fn only_a_red_test_guards_its_mechanism() {
        let of =
            |verdict| Outcome { removal: removals().next().unwrap(), verdict, took: Duration::ZERO, revision: "0" };

        assert!(of(Ok(Verdict::Red)).is_guarded() && !of(Ok(Verdict::Green)).is_guarded());
        assert!(!of(Err(anyhow::anyhow!("it does not build"))).is_guarded());
    }
}
