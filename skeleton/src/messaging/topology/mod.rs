//! What a service needs on the broker: exchanges, queues, bindings, and a user that may do nothing else.
//!
//! Applied by an administrator, through the broker's management API, before the service starts. The service itself
//! may configure nothing.

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

/// The header that messages are split by: those of one subject come into one queue.
const SUBJECT: &str = "cloudEvents:subject";

/// How many instances of a service can ask others at the same time: each takes one of the service's queues for replies.
pub const REPLY_QUEUES: usize = 16;

/// The queues that the instances of a service get their replies through.
pub fn reply_queues(service: &str) -> impl Iterator<Item = String> + Clone {
    (1..=REPLY_QUEUES).map(move |number| format!("{service}.replies.{number}"))
}

/// A queue and what it is bound to.
#[derive(Clone, Debug, Serialize)]
pub struct QueuePlan {
    /// Its name, `<service>.<kind>`.
    pub name: String,
    /// Its arguments.
    pub arguments: Value,
    /// What it is bound to.
    pub bindings: Vec<Binding>,
}

/// What a service needs on the broker.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The service, which is also its user's name.
    pub service: String,
    /// Exchanges and their types.
    pub exchanges: Vec<(String, &'static str)>,
    /// The exchange that splits the service's events by subject, and what it is bound to. `None` where they are not split.
    pub splitter: Option<(String, Vec<Binding>)>,
    /// Queues.
    pub queues: Vec<QueuePlan>,
    /// What the user may configure, write to and read from (patterns of RabbitMQ).
    pub rights: Rights,
}

/// The patterns of what a user may do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Rights {
    /// What it may declare and delete.
    pub configure: String,
    /// Where it may publish, and which queues it may bind.
    pub write: String,
    /// What it may consume, and bind from.
    pub read: String,
}

/// The kinds of messages that a service deals with.
#[derive(Clone, Debug, Default)]
pub struct TopologySpec {
    /// The service.
    pub service: String,
    /// The events it listens to.
    pub events: Vec<Binding>,
    /// Into how many queues they are split; one or none is one.
    pub partitions: u32,
    /// The jobs it works off.
    pub jobs: Vec<Binding>,
    /// The requests it answers.
    pub requests: Vec<Binding>,
    /// The services that ask it.
    pub callers: Vec<String>,
    /// The services that it asks.
    pub calls: Vec<String>,
    /// Whether it publishes events, which are then kept in its history.
    pub publishes: bool,
}

impl TopologySpec {
    /// What these dealings need on the broker.
    pub fn topology(&self) -> Topology {
        let service = &self.service;
        let mut exchanges = vec![
            (format!("events.{service}"), "topic"),
            (format!("requests.{service}"), "direct"),
            (format!("jobs.{service}"), "direct"),
            (format!("replies.{service}"), "direct"),
            (format!("dead.{service}"), "fanout"),
        ];
        // Others' exchanges too, the same way they declare them: services start in any order.
        exchanges.extend(self.events.iter().map(|binding| (binding.exchange.clone(), "topic")));
        exchanges.extend(self.calls.iter().map(|other| (format!("requests.{other}"), "direct")));
        exchanges.extend(self.callers.iter().map(|other| (format!("replies.{other}"), "direct")));
        exchanges.sort();
        exchanges.dedup();
        let lasting = |name: &str, bindings: &[Binding]| QueuePlan {
            name: format!("{service}.{name}"),
            arguments: json!({
                "x-queue-type": "quorum",
                // A limit keeps requeued messages in their place. Ours counts attempts and parks long before it.
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
        // Others' histories too, the same way they declare them: services start in any order.
        let own = self.publishes.then_some(service.as_str());
        let kept: BTreeSet<&str> = self.producers().into_iter().chain(own).collect();
        queues.extend(kept.into_iter().map(history::plan_of));
        Topology { service: service.clone(), exchanges, splitter, queues, rights: self.rights() }
    }

    /// The services whose events it listens to.
    pub fn producers(&self) -> BTreeSet<&str> {
        self.events.iter().filter_map(|binding| binding.exchange.strip_prefix("events.")).collect()
    }

    fn rights(&self) -> Rights {
        let service = &self.service;
        let mut write = vec![format!("(events|jobs)\\.{service}")];
        write.extend(self.calls.iter().map(|other| format!("requests\\.{other}")));
        write.extend(self.callers.iter().map(|other| format!("replies\\.{other}")));
        let mut read = vec![format!("{service}\\..*")];
        // Its own history too: it goes on counting from there after its store was restored from a backup.
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

/// The queue of one partition: the splitter gives it its share of the subjects, and one replica at a time reads it.
fn partition(queue: QueuePlan, splitter: &str) -> QueuePlan {
    let mut queue = queue;
    queue.arguments["x-single-active-consumer"] = json!(true);
    // The key is a weight: all have the same.
    queue.bindings = vec![Binding { exchange: splitter.to_owned(), routing_key: "1".to_owned() }];
    queue
}

/// A queue that one instance at a time takes its replies from. What comes for an instance that is gone is not kept.
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
