//! The contract of one service, its `contract.json`.

use std::{collections::BTreeMap, fs, path::Path};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{ContractError, MessageName, file::sorted, topology::Topology};

/// The contract of a service, as `<service> contract` prints it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceContract {
    /// The name of the service.
    pub service: String,
    /// The events that it consumes.
    pub consumes: Vec<Reading>,
    /// The requests that it answers.
    pub answers: Vec<Reading>,
    /// The jobs that it runs.
    pub jobs: Vec<Reading>,
    /// The services that it sends requests to.
    pub asks: Vec<String>,
    /// The services that may send requests to it.
    pub callers: Vec<String>,
    /// Its topology on the broker.
    pub topology: Topology,
}

impl ServiceContract {
    /// Returns all messages that it reads, of all kinds.
    pub fn readings(&self) -> impl Iterator<Item = &Reading> {
        self.consumes.iter().chain(&self.answers).chain(&self.jobs)
    }
}

/// A message that a service reads, and the fields that it reads.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// The message, in the version that the service consumes.
    pub message: MessageName,
    /// The fields that its types read, as pointers; `*` stands for every item of a list and every key of a map.
    pub reads: Vec<String>,
    /// The order that it requires, `latest-wins` or `in-order`; `None` if it requires none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// The last day on which this version is supported, if an end date is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires: Option<NaiveDate>,
}

impl Reading {
    /// Returns the fields that it reads, without those of which it reads only a part: `/name/full`, not `/name`.
    pub(crate) fn innermost(&self) -> impl Iterator<Item = &String> {
        let holds = |outer: &str, inner: &String| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
        self.reads.iter().filter(move |read| !self.reads.iter().any(|other| holds(read, other)))
    }
}

/// Reads every service below a folder `services`; a folder without a contract is an error.
pub(crate) fn read_all(services: &Path) -> Result<BTreeMap<String, ServiceContract>, ContractError> {
    let mut found = BTreeMap::new();
    for folder in sorted(services)?.into_iter().filter(|path| path.is_dir()) {
        let path = folder.join("contract.json");
        let text = fs::read_to_string(&path).map_err(|error| {
            ContractError::malformed(&path, format!("{error}; generate it with: cargo xtask events contracts"))
        })?;
        let contract: ServiceContract = serde_json::from_str(&text).map_err(|error| {
            ContractError::malformed(&path, format!("{error}; regenerate it with: cargo xtask events contracts"))
        })?;
        found.insert(contract.service.clone(), contract);
    }
    Ok(found)
}
