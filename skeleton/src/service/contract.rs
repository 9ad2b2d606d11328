//! What a service says of itself: which messages it reads and what of them, and what it needs on the broker.
//!
//! Made from the types of its handlers. `contract.json` in the service's folder holds it, so that a change of a message
//! can be checked against every reader without building any of them.

use serde_json::{Value, json};

use super::Service;
use crate::{
    messaging::{handlers::Reads, topology::Topology},
    store::Store,
};

impl<S: Store> Service<S> {
    /// What the service says of itself, as `<service> contract` prints it.
    pub fn contract(&self) -> Value {
        let jobs = self.jobs.iter().flat_map(|jobs| &jobs.reads);
        json!({
            "service": self.name,
            "consumes": readings(&self.subscriptions.reads),
            "answers": readings(&self.answers.reads),
            "jobs": readings(jobs),
            "asks": self.asks,
            "callers": self.callers,
            "topology": needs(&self.dealings().topology()),
        })
    }
}

fn readings<'a>(reads: impl IntoIterator<Item = &'a Reads>) -> Vec<Value> {
    let mut reads: Vec<&Reads> = reads.into_iter().collect();
    reads.sort_by_key(|reads| reads.message);
    reads.into_iter().map(|reads| json!({ "message": reads.message, "reads": (reads.fields)() })).collect()
}

fn needs(topology: &Topology) -> Value {
    let exchanges = topology.exchanges.iter().map(|(name, kind)| json!({ "name": name, "kind": kind }));
    json!({ "exchanges": exchanges.collect::<Vec<_>>(), "queues": topology.queues })
}
