//! Differences between exchanges.

use super::{Drift, different, missing, planned::Planned, surplus};
use crate::{Broker, broker::encoded};

pub(super) fn exchanges(planned: &Planned<'_>, broker: &Broker) -> Vec<Drift> {
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
