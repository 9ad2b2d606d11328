//! What a service needs on the broker, as its `contract.json` says.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a service needs on the broker.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// Its exchanges, and those of others that it binds to or publishes to.
    pub exchanges: Vec<Exchange>,
    /// Its queues.
    pub queues: Vec<Queue>,
}

impl Topology {
    /// What is bound: queues and exchanges, each with its kind, its name and its bindings.
    pub fn bound(&self) -> impl Iterator<Item = (&'static str, &str, &[Binding])> {
        let queues = self.queues.iter().map(|queue| ("queue", &*queue.name, &*queue.bindings));
        let exchanges = self.exchanges.iter().map(|exchange| ("exchange", &*exchange.name, &*exchange.bindings));
        queues.chain(exchanges.filter(|(_, _, bindings)| !bindings.is_empty()))
    }
}

/// An exchange.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Its name.
    pub name: String,
    /// Its type: `topic`, `direct`, `fanout` or `x-consistent-hash`.
    pub kind: String,
    /// What it is bound to; nothing but where it splits what comes among queues.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bindings: Vec<Binding>,
}

/// A queue and what it is bound to.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub arguments: Value,
    /// What it is bound to.
    pub bindings: Vec<Binding>,
}

/// One binding of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The exchange.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
}
