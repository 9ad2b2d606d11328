//! `cargo xtask events check`: checks the messages before anything is compiled.

mod readings;
mod references;
mod released;
mod versions;

use std::path::Path;

use crate::{
    ContractError, Contracts, Lock, Report,
    history::{Earlier, in_git},
    retirements,
};

/// Checks a repository's messages: the released files, the versions against each other, and what services read.
///
/// # Errors
/// Returns an error if a file cannot be read or is malformed.
pub fn check_repository(repository: &Path) -> Result<Report, ContractError> {
    let lock = Lock::read(repository)?;
    let contracts = Contracts::read(repository)?;
    let mut report = check(&contracts, lock.as_ref(), &in_git(repository))?;
    retirements::check(&contracts, chrono::Utc::now().date_naive(), &mut report);
    Ok(report)
}

/// Checks contracts that are already loaded. `earlier` finds the text of a released file that was changed.
///
/// # Errors
/// Returns an error if a released text that was found is not JSON.
pub fn check(contracts: &Contracts, lock: Option<&Lock>, earlier: &Earlier<'_>) -> Result<Report, ContractError> {
    let mut report = Report::default();
    released::check(contracts, lock, earlier, &mut report)?;
    versions::check(contracts, &mut report);
    references::check(contracts, &mut report);
    readings::check(contracts, &mut report);
    Ok(report)
}
