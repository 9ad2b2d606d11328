//! The contract of a service: the messages and fields that it reads, and its topology on the broker.
//!
//! Derived from the types of its handlers. `contract.json` in the service's folder contains it, so that a change of a
//! message can be checked against every reader without building any of them.

use events::catalogue::{self, Entry};
use serde_json::{Value, json};

use super::Service;
use crate::{
    config::{BrokerSettings, Settings, SettingsError},
    messaging::{handlers::Reads, order::Order, topology::Topology},
    store::Store,
};

impl<S: Store> Service<S> {
    /// The contract, as `<service> contract` prints it.
    ///
    /// # Errors
    /// If the settings are invalid.
    pub fn contract(&self, settings: &Settings) -> Result<Value, SettingsError> {
        let broker: BrokerSettings = settings.section("broker")?;
        let jobs = self.jobs.iter().flat_map(|jobs| &jobs.reads);
        Ok(json!({
            "service": self.name,
            "consumes": readings(&self.subscriptions.reads),
            "answers": readings(&self.answers.reads),
            "jobs": readings(jobs),
            "asks": self.calls,
            "callers": self.answers.callers(),
            "topology": needs(&self.topology_spec(broker.partitions).topology()),
        }))
    }
}

fn readings<'a>(reads: impl IntoIterator<Item = &'a Reads>) -> Vec<Value> {
    let mut reads: Vec<&Reads> = reads.into_iter().collect();
    reads.sort_by_key(|reads| reads.message);
    reads.into_iter().map(reading).collect()
}

fn reading(reads: &Reads) -> Value {
    let mut reading = json!({ "message": reads.message, "reads": (reads.fields)() });
    if reads.order != Order::Any {
        reading["order"] = json!(reads.order);
    }
    if let Some(date) = catalogue::find(reads.message).and_then(Entry::retires) {
        reading["retires"] = json!(date);
    }
    reading
}

fn needs(topology: &Topology) -> Value {
    let exchanges = topology.exchanges.iter().map(|(name, kind)| json!({ "name": name, "kind": kind }));
    let splitter = topology.splitter.iter();
    let splitter =
        splitter.map(|(name, bindings)| json!({ "name": name, "kind": "x-consistent-hash", "bindings": bindings }));
    json!({ "exchanges": exchanges.chain(splitter).collect::<Vec<_>>(), "queues": topology.queues })
}
