//! Differences between bindings.

use super::{Difference, Drift, missing, planned::Planned, surplus};
use crate::{Binding, Broker, broker::LiveBinding};

pub(super) fn bindings(planned: &Planned<'_>, broker: &Broker) -> Vec<Drift> {
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
