//! `cargo xtask events release`: from now on these files never change.

use std::{fmt, path::Path};

use crate::{ContractError, Contracts, Lock, Report, check::check, history::in_git};

/// What a release did.
#[derive(Clone, Debug, PartialEq)]
pub enum Release {
    /// The check found something to mend first; nothing was released.
    Refused(Report),
    /// These files are in the lock now.
    Done(Vec<String>),
    /// These files would be in the lock now.
    Tried(Vec<String>),
}

/// Adds every new schema file to the lock, where the check has nothing against it.
///
/// # Errors
/// Where a file cannot be read or written, or is not what it should be.
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
    /// Whether nothing stands in its way.
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
