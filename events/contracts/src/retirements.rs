//! `events/retirements.json`: until when old versions are supported.

use std::{collections::BTreeMap, fs, io, path::Path};

use chrono::NaiveDate;

use crate::{ContractError, Contracts, MessageName, Remark, Report};

/// Where the end dates are in a repository.
const FILE: &str = "events/retirements.json";

/// The end dates of a repository; none where there is no file.
pub(crate) fn read(repository: &Path) -> Result<BTreeMap<MessageName, NaiveDate>, ContractError> {
    let path = repository.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(ContractError::Unreadable { path, error }),
    };
    let dates: BTreeMap<String, NaiveDate> = serde_json::from_str(&text).map_err(|error| {
        ContractError::malformed(&path, format!("{error}; write {{\"contacts.contact-added.v1\": \"2027-06-30\"}}"))
    })?;
    let named = dates.into_iter().map(|(name, date)| Ok((name.parse()?, date)));
    named.collect::<Result<_, String>>().map_err(|why| ContractError::malformed(&path, why))
}

/// Says of each version with an end date who still reads it, and what is wrong with the date.
pub(crate) fn check(contracts: &Contracts, today: NaiveDate, report: &mut Report) {
    for (name, date) in &contracts.retirements {
        let newest = contracts.versions_of(name).map(|message| message.name.version).max();
        if !contracts.messages.contains_key(name) || newest <= Some(name.version) {
            let says = format!("{FILE} gives it an end date, and there is no such version with a newer one");
            report
                .problems
                .push(Remark::new("retires-unknown", name, says).todo("take it out, or add the newer version"));
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
