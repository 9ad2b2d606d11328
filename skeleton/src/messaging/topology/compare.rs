//! Compares a service's topology with the objects on the broker.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Binding, Change, Clash, Destination, Difference, LeftOver, QueuePlan, Rights, SUBJECT, Topology};

/// The objects on a virtual host, and a user's rights there.
pub(super) struct OnBroker {
    pub exchanges: Vec<LiveExchange>,
    pub queues: Vec<LiveQueue>,
    pub bindings: Vec<LiveBinding>,
    pub user: Option<LiveUser>,
    pub rights: Option<Rights>,
}

#[derive(Deserialize)]
pub(super) struct LiveExchange {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    durable: bool,
    arguments: Value,
}

#[derive(Deserialize)]
pub(super) struct LiveQueue {
    name: String,
    durable: bool,
    auto_delete: bool,
    #[serde(default)]
    exclusive: bool,
    arguments: Map<String, Value>,
    /// Absent in the first seconds of a queue.
    messages: Option<u64>,
    consumers: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct LiveBinding {
    source: String,
    destination: String,
    destination_type: String,
    routing_key: String,
    properties_key: String,
}

#[derive(Deserialize)]
pub(super) struct LiveUser {
    /// A list; a text on older brokers.
    tags: Value,
}

pub(super) fn difference(needed: &Topology, broker: &OnBroker) -> Difference {
    let mut found = Difference::default();
    for (name, kind) in &needed.exchanges {
        exchange(name, kind, &json!({}), broker, &mut found);
    }
    if let Some((name, listens_to)) = &needed.splitter {
        exchange(name, "x-consistent-hash", &json!({ "hash-header": SUBJECT }), broker, &mut found);
        bindings(&Destination::Exchange(name.clone()), listens_to, broker, &mut found.changes);
    }
    for queue in &needed.queues {
        match broker.queues.iter().find(|live| live.name == queue.name) {
            Some(live) => found.clashes.extend(clashes(queue, live)),
            None => {
                let (queue, arguments) = (queue.name.clone(), queue.arguments.clone());
                found.changes.push(Change::MakeQueue { queue, arguments });
            }
        }
        bindings(&Destination::Queue(queue.name.clone()), &queue.bindings, broker, &mut found.changes);
    }
    unneeded(needed, broker, &mut found);
    user(needed, broker, &mut found.changes);
    found
}

fn exchange(name: &str, kind: &str, arguments: &Value, broker: &OnBroker, found: &mut Difference) {
    let Some(live) = broker.exchanges.iter().find(|live| live.name == name) else {
        let (exchange, kind) = (name.to_owned(), kind.to_owned());
        found.changes.push(Change::MakeExchange { exchange, kind, arguments: arguments.clone() });
        return;
    };
    let properties = [
        ("type", json!(live.kind), json!(kind)),
        ("durable", json!(live.durable), json!(true)),
        ("arguments", live.arguments.clone(), arguments.clone()),
    ];
    for (argument, on_broker, needed) in properties.into_iter().filter(|(_, live, needed)| live != needed) {
        let (name, argument) = (name.to_owned(), argument.to_owned());
        found.clashes.push(Clash { what: "exchange", name, argument, on_broker, needed });
    }
}

/// The differences of an existing queue that cannot be changed.
fn clashes(needed: &QueuePlan, live: &LiveQueue) -> Vec<Clash> {
    let nothing = Map::new();
    let planned = needed.arguments.as_object().unwrap_or(&nothing);
    let clash = |argument: &str, on_broker: Value, wanted: Value| Clash {
        what: "queue",
        name: needed.name.clone(),
        argument: argument.to_owned(),
        on_broker,
        needed: wanted,
    };
    let mut found = Vec::new();
    for (argument, value) in planned {
        let on_broker = live.arguments.get(argument).cloned().unwrap_or_default();
        if on_broker != *value {
            found.push(clash(argument, on_broker, value.clone()));
        }
    }
    for (argument, value) in &live.arguments {
        // Newer brokers add the default type to queues that name none.
        let is_default = argument == "x-queue-type" && value == "classic";
        if !planned.contains_key(argument) && !is_default {
            found.push(clash(argument, value.clone(), Value::Null));
        }
    }
    if !live.durable {
        found.push(clash("durable", false.into(), true.into()));
    }
    if live.auto_delete {
        found.push(clash("auto_delete", true.into(), false.into()));
    }
    found
}

fn bindings(destination: &Destination, needed: &[Binding], broker: &OnBroker, changes: &mut Vec<Change>) {
    let live: Vec<_> = broker.bindings.iter().filter(|live| live.leads_to(destination)).collect();
    let is =
        |needed: &Binding, live: &LiveBinding| needed.exchange == live.source && needed.routing_key == live.routing_key;
    for needed in needed.iter().filter(|needed| !live.iter().any(|live| is(needed, live))) {
        let Binding { exchange, routing_key } = needed.clone();
        changes.push(Change::Bind { destination: destination.clone(), exchange, routing_key });
    }
    for live in live.into_iter().filter(|live| !needed.iter().any(|needed| is(needed, live))) {
        changes.push(Change::Unbind {
            destination: destination.clone(),
            exchange: live.source.clone(),
            routing_key: live.routing_key.clone(),
            properties_key: live.properties_key.clone(),
        });
    }
}

/// Queues under the service's name that it does not need, except those that end with a connection. Event queues of an
/// earlier number of partitions get no more messages; replicas drain them, and then they are deleted. The others stay.
fn unneeded(needed: &Topology, broker: &OnBroker, found: &mut Difference) {
    let prefix = format!("{}.", needed.service);
    let lasting = broker.queues.iter().filter(|live| live.name.starts_with(&prefix) && !live.exclusive);
    for live in lasting.filter(|live| needed.queues.iter().all(|queue| queue.name != live.name)) {
        let of_events = live.name[prefix.len()..].strip_prefix("events");
        if of_events.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
            let destination = Destination::Queue(live.name.clone());
            let is_bound = broker.bindings.iter().any(|live| live.leads_to(&destination));
            bindings(&destination, &[], broker, &mut found.changes);
            if !is_bound && live.messages == Some(0) {
                found.changes.push(Change::DeleteEmpty { queue: live.name.clone() });
                continue;
            }
        }
        let (queue, messages, consumers) = (live.name.clone(), live.messages, live.consumers);
        found.left_over.push(LeftOver { queue, messages, consumers });
    }
}

fn user(needed: &Topology, broker: &OnBroker, changes: &mut Vec<Change>) {
    let user = || needed.service.clone();
    match &broker.user {
        None => changes.push(Change::MakeUser { user: user() }),
        Some(live) if live.has_tags() => changes.push(Change::TakeTags { user: user(), tags: live.tags.clone() }),
        Some(_) => {}
    }
    if broker.rights.as_ref() != Some(&needed.rights) {
        let (from, to) = (broker.rights.clone(), needed.rights.clone());
        changes.push(Change::SetRights { user: user(), from, to });
    }
}

impl LiveBinding {
    /// Every queue is bound to the default exchange under its name, which cannot be changed.
    fn leads_to(&self, destination: &Destination) -> bool {
        let (kind, name) = match destination {
            Destination::Queue(name) => ("queue", name),
            Destination::Exchange(name) => ("exchange", name),
        };
        self.destination_type == kind && self.destination == *name && !self.source.is_empty()
    }
}

impl LiveUser {
    fn has_tags(&self) -> bool {
        self.tags.as_str().is_some_and(|tags| !tags.is_empty())
            || self.tags.as_array().is_some_and(|tags| !tags.is_empty())
    }
}
