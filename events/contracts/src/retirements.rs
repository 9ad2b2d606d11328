//! `events/schemas/<owner>/retirements.json`: the end-of-support dates of old versions.

use std::{collections::BTreeMap, fs, io, path::Path};

use chrono::NaiveDate;

use crate::{
    ContractError, Contracts, MessageName, Remark, Report,
    file::{RETIREMENTS, sorted},
};

/// Reads the end dates of a repository.
pub(crate) fn read(repository: &Path) -> Result<BTreeMap<MessageName, NaiveDate>, ContractError> {
    let mut all = BTreeMap::new();
    for folder in sorted(&repository.join("events/schemas"))? {
        all.extend(read_of(&folder)?);
    }
    Ok(all)
}

/// Reads the end dates of one owner's messages; empty if there is no file.
fn read_of(folder: &Path) -> Result<BTreeMap<MessageName, NaiveDate>, ContractError> {
    let (owner, path) = (folder.file_name().unwrap_or_default().to_string_lossy(), folder.join(RETIREMENTS));
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(ContractError::Unreadable { path, error }),
    };
    let dates: BTreeMap<String, NaiveDate> = serde_json::from_str(&text).map_err(|error| {
        ContractError::malformed(&path, format!("{error}; write {{\"contact-added.v1\": \"2027-06-30\"}}"))
    })?;
    let named = dates.into_iter().map(|(key, date)| Ok((format!("{owner}.{key}").parse()?, date)));
    named.collect::<Result<_, String>>().map_err(|why| ContractError::malformed(&path, why))
}

/// Reports for each version with an end date its remaining readers, and problems with the date.
pub(crate) fn check(contracts: &Contracts, today: NaiveDate, report: &mut Report) {
    for (name, date) in &contracts.retirements {
        let newest = contracts.versions_of(name).map(|message| message.name.version).max();
        if !contracts.messages.contains_key(name) || newest <= Some(name.version) {
            let says = format!("{RETIREMENTS} sets an end date, but the version does not exist or has no newer one");
            report
                .problems
                .push(Remark::new("retires-unknown", name, says).todo("remove the entry, or add the newer version"));
            continue;
        }
        let mut readers: Vec<&str> = contracts.readers_of(name).map(|(service, _)| service).collect();
        readers.dedup();
        let (readers, is_over) = (readers.join(", "), *date < today);
        match (readers.is_empty(), is_over) {
            (false, true) => report.problems.push(
                Remark::new("retired-in-use", name, format!("it retired on {date}, and is still read by {readers}"))
                    .todo("move them to the newest version, or set a later date"),
            ),
            (false, false) => report.notes.push(
                Remark::new("retires", name, format!("it retires on {date}, and is still read by {readers}"))
                    .todo("move them to the newest version before"),
            ),
            (true, true) => report.notes.push(
                Remark::new("retired", name, format!("it retired on {date}, and no service of ours reads it"))
                    .todo(format!("cargo xtask events can-remove {name}")),
            ),
            (true, false) => {}
        }
    }
}
