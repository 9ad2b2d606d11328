//! The topology of a service on the broker, as in its `contract.json`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The exchanges and queues of a service.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// Its own exchanges, and those of other services that it binds to or publishes to.
    pub exchanges: Vec<Exchange>,
    /// Its queues.
    pub queues: Vec<Queue>,
}

impl Topology {
    /// Returns the bound queues and exchanges, each with its kind, name and bindings.
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
    /// Its bindings; only for an exchange that distributes messages among queues.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bindings: Vec<Binding>,
}

/// A queue and its bindings.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub arguments: Value,
    /// Its bindings.
    pub bindings: Vec<Binding>,
}

/// A binding of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The exchange.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
}
