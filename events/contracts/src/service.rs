//! One service: what it says of itself in its `contract.json`.

use std::{collections::BTreeMap, fs, path::Path};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{ContractError, MessageName, message::sorted, topology::Topology};

/// What a service says of itself, as `<service> contract` prints it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceContract {
    /// The service.
    pub service: String,
    /// The events it listens to.
    pub consumes: Vec<Reading>,
    /// The requests it answers.
    pub answers: Vec<Reading>,
    /// The jobs it works off.
    pub jobs: Vec<Reading>,
    /// The services that it asks.
    pub asks: Vec<String>,
    /// The services that may ask it.
    pub callers: Vec<String>,
    /// What it needs on the broker.
    pub topology: Topology,
}

impl ServiceContract {
    /// All that it reads, of whatever kind.
    pub fn readings(&self) -> impl Iterator<Item = &Reading> {
        self.consumes.iter().chain(&self.answers).chain(&self.jobs)
    }
}

/// A message that a service reads, and what of it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// The message, in the version that the service is written against.
    pub message: MessageName,
    /// The fields that its types read, as pointers; `*` stands for every item of a list and every key of a map.
    pub reads: Vec<String>,
    /// What it needs of their order, `latest-wins` or `in-order`; nothing where it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// The last day on which this version is supported, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires: Option<NaiveDate>,
}

impl Reading {
    /// The fields that it reads, without those that it only reads something in: `/name/full`, not `/name` as well.
    pub(crate) fn innermost(&self) -> impl Iterator<Item = &String> {
        let holds = |outer: &str, inner: &String| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
        self.reads.iter().filter(move |read| !self.reads.iter().any(|other| holds(read, other)))
    }
}

/// Every service below a folder `services`; a folder without a contract is an error.
pub(crate) fn read_all(services: &Path) -> Result<BTreeMap<String, ServiceContract>, ContractError> {
    let mut found = BTreeMap::new();
    for folder in sorted(services)?.into_iter().filter(|path| path.is_dir()) {
        let path = folder.join("contract.json");
        let text = fs::read_to_string(&path).map_err(|error| {
            ContractError::malformed(&path, format!("{error}; write it with: cargo xtask events contracts"))
        })?;
        let contract: ServiceContract = serde_json::from_str(&text).map_err(|error| {
            ContractError::malformed(&path, format!("{error}; write it anew with: cargo xtask events contracts"))
        })?;
        found.insert(contract.service.clone(), contract);
    }
    Ok(found)
}
