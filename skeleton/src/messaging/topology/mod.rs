//! A service's topology on the broker: exchanges, queues, bindings, and a user without any other rights.
//!
//! An administrator applies it through the broker's management API before the service starts. The service itself may
//! configure nothing.

mod admin;
mod compare;
mod history;
mod plan;

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::{
    admin::{Admin, TopologyError, encoded},
    plan::{Change, Clash, Destination, Difference, LeftOver},
};
use super::handlers::Binding;

/// The header that messages are split by: those of one subject go to one queue.
const SUBJECT: &str = "cloudEvents:subject";

/// The number of a service's instances that can call others at the same time: each claims one of its reply queues.
pub const REPLY_QUEUES: usize = 16;

/// The reply queues of a service's instances.
pub fn reply_queues(service: &str) -> impl Iterator<Item = String> + Clone {
    (1..=REPLY_QUEUES).map(move |number| format!("{service}.replies.{number}"))
}

/// Whether a queue is one of a service's reply queues. Another build of that service may have more of them.
pub(crate) fn is_reply_queue(service: &str, queue: &str) -> bool {
    let number = queue.strip_prefix(service).and_then(|rest| rest.strip_prefix(".replies."));
    let number = number.filter(|number| number.len() <= 3 && !number.starts_with(['0', '+']));
    number.is_some_and(|number| number.parse::<u16>().is_ok())
}

/// A queue and its bindings.
#[derive(Clone, Debug, Serialize)]
pub struct QueuePlan {
    /// Its name, `<service>.<kind>`.
    pub name: String,
    /// Its arguments.
    pub arguments: Value,
    /// Its bindings.
    pub bindings: Vec<Binding>,
}

/// The topology of a service on the broker.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The service, which is also its user's name.
    pub service: String,
    /// Exchanges and their types.
    pub exchanges: Vec<(String, &'static str)>,
    /// The exchange that splits the service's events by subject, and its bindings. `None` if they are not split.
    pub splitter: Option<(String, Vec<Binding>)>,
    /// Queues.
    pub queues: Vec<QueuePlan>,
    /// The user's rights to configure, write and read (RabbitMQ patterns).
    pub rights: Rights,
}

/// The patterns of a user's rights.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Rights {
    /// What it may declare and delete.
    pub configure: String,
    /// The exchanges it may publish to, and the queues it may bind.
    pub write: String,
    /// The queues it may consume, and the exchanges it may bind from.
    pub read: String,
}

/// The messages that a service exchanges, from which its topology is derived.
#[derive(Clone, Debug, Default)]
pub struct TopologySpec {
    /// The service.
    pub service: String,
    /// The events it consumes.
    pub events: Vec<Binding>,
    /// The number of queues that its events are split into; 0 means 1.
    pub partitions: u32,
    /// The jobs it handles.
    pub jobs: Vec<Binding>,
    /// The requests it serves.
    pub requests: Vec<Binding>,
    /// The services that call it.
    pub callers: Vec<String>,
    /// The services that it calls.
    pub calls: Vec<String>,
    /// Whether it publishes events, which are then kept in its history.
    pub publishes: bool,
}

impl TopologySpec {
    /// The topology on the broker.
    pub fn topology(&self) -> Topology {
        let service = &self.service;
        let mut exchanges = vec![
            (format!("events.{service}"), "topic"),
            (format!("requests.{service}"), "direct"),
            (format!("jobs.{service}"), "direct"),
            (format!("replies.{service}"), "direct"),
            (format!("dead.{service}"), "fanout"),
        ];
        // Includes other services' exchanges, declared the same way as they do: services start in any order.
        exchanges.extend(self.events.iter().map(|binding| (binding.exchange.clone(), "topic")));
        exchanges.extend(self.calls.iter().map(|other| (format!("requests.{other}"), "direct")));
        exchanges.extend(self.callers.iter().map(|other| (format!("replies.{other}"), "direct")));
        exchanges.sort();
        exchanges.dedup();
        let lasting = |name: &str, bindings: &[Binding]| QueuePlan {
            name: format!("{service}.{name}"),
            arguments: json!({
                "x-queue-type": "quorum",
                // A limit keeps requeued messages in their position. The service's own limit on attempts parks them
                // long before it.
                "x-delivery-limit": 1000,
                "x-dead-letter-exchange": format!("dead.{service}"),
            }),
            bindings: bindings.to_vec(),
        };
        let mut queues = Vec::new();
        let mut splitter = None;
        if !self.events.is_empty() && self.partitions <= 1 {
            queues.push(lasting("events", &self.events));
        } else if !self.events.is_empty() {
            let name = format!("{service}.split");
            let partitions = (0..self.partitions).map(|nth| partition(lasting(&format!("events.{nth}"), &[]), &name));
            queues.extend(partitions);
            splitter = Some((name, self.events.clone()));
        }
        if !self.jobs.is_empty() {
            queues.push(lasting("jobs", &self.jobs));
        }
        if !self.requests.is_empty() {
            let arguments = json!({ "x-max-length": 100_000, "x-overflow": "drop-head" });
            queues.push(QueuePlan { name: format!("{service}.requests"), arguments, bindings: self.requests.clone() });
        }
        let dead = Binding { exchange: format!("dead.{service}"), routing_key: String::new() };
        queues.push(QueuePlan {
            name: format!("{service}.dead"),
            arguments: json!({ "x-queue-type": "quorum" }),
            bindings: vec![dead],
        });
        if !self.calls.is_empty() {
            queues.extend(reply_queues(service).map(|name| for_replies(service, name)));
        }
        // Includes other services' histories, declared the same way as they do: services start in any order.
        let own = self.publishes.then_some(service.as_str());
        let kept: BTreeSet<&str> = self.producers().into_iter().chain(own).collect();
        queues.extend(kept.into_iter().map(history::plan_of));
        Topology { service: service.clone(), exchanges, splitter, queues, rights: self.rights() }
    }

    /// The services whose events it consumes.
    pub fn producers(&self) -> BTreeSet<&str> {
        self.events.iter().filter_map(|binding| binding.exchange.strip_prefix("events.")).collect()
    }

    fn rights(&self) -> Rights {
        let service = &self.service;
        let mut write = vec![format!("(events|jobs)\\.{service}")];
        write.extend(self.calls.iter().map(|other| format!("requests\\.{other}")));
        write.extend(self.callers.iter().map(|other| format!("replies\\.{other}")));
        let mut read = vec![format!("{service}\\..*")];
        // Includes its own history: numbering continues from there after its store was restored from a backup.
        let own = self.publishes.then_some(service.as_str());
        let histories: BTreeSet<&str> = self.producers().into_iter().chain(own).collect();
        read.extend(histories.iter().map(|producer| format!("history\\.{producer}")));
        Rights {
            configure: "^$".to_owned(),
            write: format!("^({})$", write.join("|")),
            read: format!("^({})$", read.join("|")),
        }
    }
}

/// The queue of one partition: the splitter routes a share of the subjects to it, and one replica at a time reads it.
fn partition(queue: QueuePlan, splitter: &str) -> QueuePlan {
    let mut queue = queue;
    queue.arguments["x-single-active-consumer"] = json!(true);
    // The key is a weight: all are equal.
    queue.bindings = vec![Binding { exchange: splitter.to_owned(), routing_key: "1".to_owned() }];
    queue
}

/// A reply queue for one instance at a time. Replies for an instance that is gone are not kept.
fn for_replies(service: &str, name: String) -> QueuePlan {
    let arguments = json!({ "x-message-ttl": 60_000, "x-max-length": 10_000, "x-overflow": "drop-head" });
    let bindings = vec![Binding { exchange: format!("replies.{service}"), routing_key: name.clone() }];
    QueuePlan { name, arguments, bindings }
}

impl fmt::Display for Topology {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, kind) in &self.exchanges {
            writeln!(formatter, "exchange {name} ({kind})")?;
        }
        if let Some((name, bindings)) = &self.splitter {
            writeln!(formatter, "exchange {name} (x-consistent-hash by {SUBJECT})")?;
            for binding in bindings {
                writeln!(formatter, "  from {} with {}", binding.exchange, binding.routing_key)?;
            }
        }
        for queue in &self.queues {
            writeln!(formatter, "queue {} {}", queue.name, queue.arguments)?;
            for binding in &queue.bindings {
                writeln!(formatter, "  from {} with {}", binding.exchange, binding.routing_key)?;
            }
        }
        write!(formatter, "user {} may {}", self.service, self.rights)
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { configure, write, read } = self;
        write!(formatter, "configure {configure}, write {write}, read {read}")
    }
}
