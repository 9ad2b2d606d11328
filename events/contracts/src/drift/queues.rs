//! Differences between queues.

use serde_json::{Map, Value};

use super::{Drift, different, missing, planned::Planned, surplus};
use crate::{
    Broker, Queue,
    broker::{LiveQueue, encoded},
};

pub(super) fn queues(planned: &Planned<'_>, broker: &Broker) -> Vec<Drift> {
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
