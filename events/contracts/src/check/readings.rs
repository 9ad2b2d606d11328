//! Messages and fields that services read must exist.

use crate::{Contracts, Kind, Message, Reading, Remark, Report, pointer::exists};

pub(super) fn check(contracts: &Contracts, report: &mut Report) {
    for (service, contract) in &contracts.services {
        let doors = [
            (&contract.consumes, Kind::Event, "consumes"),
            (&contract.answers, Kind::Request, "answers"),
            (&contract.jobs, Kind::Job, "runs"),
        ];
        for (readings, kind, verb) in doors {
            let found = readings.iter().flat_map(|reading| one(contracts, service, reading, kind, verb));
            report.problems.extend(found);
        }
    }
}

fn one(contracts: &Contracts, service: &str, reading: &Reading, kind: Kind, verb: &str) -> Vec<Remark> {
    let name = &reading.message;
    let Some(message) = contracts.messages.get(name) else {
        let known: Vec<_> = contracts.versions_of(name).map(|other| other.name.to_string()).collect();
        let known = if known.is_empty() { String::new() } else { format!("; there is {}", known.join(", ")) };
        let says = format!("{verb} {name}, which has no schema file{known}");
        let todo = format!("write events/schemas/{}/{}.json, or use an existing message", name.owner, name.key());
        return vec![Remark::new("message-missing", service, says).todo(todo)];
    };
    if message.kind != kind {
        let says = format!("{verb} {name}, which is of another kind");
        return vec![Remark::new("kind-wrong", service, says).todo("see kind in the x-kith of its schema")];
    }
    reading
        .reads
        .iter()
        .filter(|field| !exists(&message.bundled, field))
        .map(|field| unknown(service, message, field))
        .collect()
}

fn unknown(service: &str, message: &Message, field: &str) -> Remark {
    let says = format!("reads {field} of {}, which has no such field", message.name);
    Remark::new("field-missing", service, says)
        .todo("read a field of the schema, or add it in a new version of the message")
}
