//! `cargo xtask events drift`: compares the contracts with a running broker.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    Binding, Broker, Contracts, Exchange, Queue,
    broker::{LiveBinding, LiveQueue, encoded},
};

/// A difference between the contracts and a broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// The kind of difference.
    pub is: Difference,
    /// `exchange`, `queue` or `binding`.
    pub what: &'static str,
    /// Its name; for a binding `<exchange> -> <queue> with <routing key>`.
    pub name: String,
    /// Details, if any.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub says: String,
    /// The remedy.
    #[serde(rename = "do")]
    pub todo: String,
}

/// The kinds of differences between the contracts and a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Difference {
    /// A contract names it, but the broker does not have it.
    Missing,
    /// The broker has it, but no contract names it.
    Surplus,
    /// The broker has it with other properties.
    Different,
}

impl fmt::Display for Drift {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is, what, name, says, todo } = self;
        let is = match is {
            Difference::Missing => "missing",
            Difference::Surplus => "surplus",
            Difference::Different => "different",
        };
        let says = if says.is_empty() { String::new() } else { format!(" ({says})") };
        write!(formatter, "{is} {what} {name}{says}; do: {todo}")
    }
}

/// Compares all contracts with a running broker. Does not compare users and their rights.
pub fn drift(contracts: &Contracts, broker: &Broker) -> Vec<Drift> {
    let planned = Planned::of(contracts);
    let mut found = exchanges(&planned, broker);
    found.extend(queues(&planned, broker));
    found.extend(bindings(&planned, broker));
    found
}

/// Everything that the contracts name, each with a service that declares it.
#[derive(Default)]
struct Planned<'a> {
    services: Vec<&'a str>,
    /// Callers that have no contract here: programs from outside.
    outsiders: BTreeSet<&'a str>,
    exchanges: BTreeMap<&'a str, (&'a str, &'a Exchange)>,
    queues: BTreeMap<&'a str, (&'a str, &'a Queue)>,
    /// By the kind and name of the bound object.
    bindings: BTreeMap<(&'a str, &'a str), (&'a str, &'a [Binding])>,
}

impl<'a> Planned<'a> {
    fn of(contracts: &'a Contracts) -> Self {
        let callers = contracts.services.values().flat_map(|contract| &contract.callers);
        let outsiders = callers.map(|caller| &**caller).filter(|caller| !contracts.services.contains_key(*caller));
        let mut planned = Self { outsiders: outsiders.collect(), ..Self::default() };
        for contract in contracts.services.values() {
            let service = &*contract.service;
            planned.services.push(service);
            for exchange in &contract.topology.exchanges {
                planned.exchanges.insert(&exchange.name, (service, exchange));
            }
            for queue in &contract.topology.queues {
                planned.queues.insert(&queue.name, (service, queue));
            }
            let bound = contract.topology.bound();
            planned.bindings.extend(bound.map(|(kind, name, bindings)| ((kind, name), (service, bindings))));
        }
        planned
    }

    /// Whether a program from outside owns this, as `replies.demo` or `demo.dead`. Its bindings to our events are still
    /// reported.
    fn is_of_an_outsider(&self, name: &str) -> bool {
        let mut parts = name.split('.');
        parts.by_ref().take(2).any(|part| self.outsiders.contains(part))
    }

    /// Whether this is a reply queue that an instance of an older build has declared and that disappears with it.
    fn is_of_an_instance(&self, queue: &str) -> bool {
        let rest = self.services.iter().filter_map(|service| queue.strip_prefix(service));
        rest.into_iter().any(|rest| rest.starts_with(".replies."))
    }
}

fn exchanges(planned: &Planned<'_>, broker: &Broker) -> Vec<Drift> {
    let mut found = vec![];
    for (name, (service, exchange)) in &planned.exchanges {
        let Some(live) = broker.exchanges.iter().find(|live| live.name == *name) else {
            found.push(missing("exchange", (*name).to_owned(), service));
            continue;
        };
        let mut differences = vec![];
        if live.kind != exchange.kind {
            differences.push(format!("{} instead of {}", live.kind, exchange.kind));
        }
        differences.extend((!live.durable).then(|| "not durable".to_owned()));
        if !differences.is_empty() {
            let remove = broker.removing(&format!("exchanges/{}", encoded(name)));
            let todo = format!("stop its users, {remove}, then every service: topology apply");
            found.push(different("exchange", name, differences, todo));
        }
    }
    let unknown = broker.exchanges.iter().filter(|live| !live.name.is_empty() && !live.name.starts_with("amq."));
    let unknown = unknown.filter(|live| !planned.exchanges.contains_key(&*live.name));
    let unknown = unknown.filter(|live| !planned.is_of_an_outsider(&live.name));
    found.extend(unknown.map(|live| {
        let todo = broker.removing(&format!("exchanges/{}?if-unused=true", encoded(&live.name)));
        surplus("exchange", live.name.clone(), String::new(), todo)
    }));
    found
}

fn queues(planned: &Planned<'_>, broker: &Broker) -> Vec<Drift> {
    let mut found = vec![];
    for (name, (service, queue)) in &planned.queues {
        let Some(live) = broker.queues.iter().find(|live| live.name == *name) else {
            found.push(missing("queue", (*name).to_owned(), service));
            continue;
        };
        let differences = differences(queue, live);
        if !differences.is_empty() {
            // A broker does not change an existing queue, and quorum queues refuse to be deleted `if-empty`.
            let remove = broker.removing(&format!("queues/{}", encoded(name)));
            let todo = format!(
                "stop its publishers, let {service} empty it, stop {service}, check that it is empty, {remove}, \
                 then {service} topology apply"
            );
            found.push(different("queue", name, differences, todo));
        }
    }
    let unknown = broker.queues.iter().filter(|live| !live.name.starts_with("amq."));
    let unknown = unknown.filter(|live| !planned.queues.contains_key(&*live.name));
    let unknown = unknown.filter(|live| !planned.is_of_an_outsider(&live.name));
    found.extend(unknown.filter(|live| !planned.is_of_an_instance(&live.name)).map(|live| {
        let todo = format!("check that it is empty, {}", broker.removing(&format!("queues/{}", encoded(&live.name))));
        surplus("queue", live.name.clone(), live.counts(), todo)
    }));
    found
}

fn differences(queue: &Queue, live: &LiveQueue) -> Vec<String> {
    let nothing = Map::new();
    let planned = queue.arguments.as_object().unwrap_or(&nothing);
    let mut found = vec![];
    for (name, value) in planned {
        match live.arguments.get(name) {
            Some(other) if other == value => {}
            Some(other) => found.push(format!("{name} is {other} instead of {value}")),
            None => found.push(format!("{name} is not set instead of {value}")),
        }
    }
    // Newer brokers write their default type into queues that declare none.
    let unknown = live.arguments.iter().filter(|(name, _)| !planned.contains_key(*name) && *name != "x-queue-type");
    found.extend(unknown.map(|(name, value): (_, &Value)| format!("{name} is {value} instead of not set")));
    found.extend((!live.durable).then(|| "not durable".to_owned()));
    found
}

fn bindings(planned: &Planned<'_>, broker: &Broker) -> Vec<Drift> {
    let mut found = vec![];
    for (place, (service, bindings)) in &planned.bindings {
        for binding in *bindings {
            if !broker.bindings.iter().any(|live| is(live, place, binding)) {
                let name = binding_name(&binding.exchange, place.1, &binding.routing_key);
                found.push(missing("binding", name, service));
            }
        }
    }
    let unknown = broker.bindings.iter().filter(|live| !live.is_default() && !live.source.starts_with("amq."));
    let unknown = unknown.filter(|live| !live.destination.starts_with("amq.") && !is_planned(planned, live));
    let is_outside =
        |live: &LiveBinding| [&live.source, &live.destination].iter().all(|name| planned.is_of_an_outsider(name));
    let unknown = unknown.filter(|live| !is_outside(live));
    found.extend(unknown.filter(|live| !planned.is_of_an_instance(&live.destination)).map(|live| {
        let name = binding_name(&live.source, &live.destination, &live.routing_key);
        match planned.bindings.get(&(&*live.destination_type, &*live.destination)) {
            Some((service, _)) => Drift { is: Difference::Surplus, ..missing("binding", name, service) },
            None => surplus("binding", name, String::new(), broker.removing(&format!("bindings/{}", live.place()))),
        }
    }));
    found
}

fn is(live: &LiveBinding, (kind, name): &(&str, &str), binding: &Binding) -> bool {
    live.destination_type == *kind
        && live.destination == *name
        && live.source == binding.exchange
        && live.routing_key == binding.routing_key
}

fn is_planned(planned: &Planned<'_>, live: &LiveBinding) -> bool {
    let place = (&*live.destination_type, &*live.destination);
    let bindings = planned.bindings.get(&place);
    bindings.is_some_and(|(_, bindings)| bindings.iter().any(|binding| is(live, &place, binding)))
}

fn binding_name(exchange: &str, queue: &str, routing_key: &str) -> String {
    format!("{exchange} -> {queue} with {routing_key:?}")
}

/// Returns a missing object. The same command also removes a surplus binding of a service's queue.
fn missing(what: &'static str, name: String, service: &str) -> Drift {
    let todo = format!("{service} topology apply");
    Drift { is: Difference::Missing, what, name, says: String::new(), todo }
}

fn surplus(what: &'static str, name: String, says: String, todo: String) -> Drift {
    let todo = format!("if it is unused, {todo}");
    Drift { is: Difference::Surplus, what, name, says, todo }
}

fn different(what: &'static str, name: &str, differences: Vec<String>, todo: String) -> Drift {
    Drift { is: Difference::Different, what, name: name.to_owned(), says: differences.join(", "), todo }
}
