//! `cargo xtask events release`: freezes the new schema files.

use std::{fmt, path::Path};

use crate::{ContractError, Contracts, Lock, Report, check::check, history::in_git};

/// The result of a release.
#[derive(Clone, Debug, PartialEq)]
pub enum Release {
    /// The check reported problems; nothing was released.
    Refused(Report),
    /// These files were added to the lock.
    Done(Vec<String>),
    /// These files would be added to the lock (dry run).
    Tried(Vec<String>),
}

/// Adds every new schema file to the lock if the check reports no problem.
///
/// # Errors
/// Returns an error if a file cannot be read or written, or is malformed.
pub fn release(repository: &Path, dry_run: bool) -> Result<Release, ContractError> {
    let mut lock = Lock::read(repository)?.unwrap_or_default();
    let contracts = Contracts::read(repository)?;
    let report = check(&contracts, Some(&lock), &in_git(repository))?;
    if !report.ok() {
        return Ok(Release::Refused(report));
    }
    if dry_run {
        return Ok(Release::Tried(report.new));
    }
    for message in contracts.messages.values() {
        lock.add(message.file(), &message.text);
    }
    lock.write(repository)?;
    Ok(Release::Done(report.new))
}

impl Release {
    /// Whether the release was possible.
    pub fn ok(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, done) = match self {
            Self::Refused(report) => return write!(formatter, "{report}\nnothing was released"),
            Self::Done(files) => (files, "released"),
            Self::Tried(files) => (files, "would release"),
        };
        if files.is_empty() {
            return formatter.write_str("nothing is new");
        }
        let lines: Vec<_> = files.iter().map(|file| format!("{done} {file}")).collect();
        formatter.write_str(&lines.join("\n"))
    }
}
