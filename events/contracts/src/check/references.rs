//! Everything that a schema file names must exist: its owner, its reply, the files that it refers to.

use serde_json::Value;

use crate::{Contracts, Kind, Message, Remark, Report};

pub(super) fn check(contracts: &Contracts, report: &mut Report) {
    for message in contracts.messages.values() {
        let found = owner(contracts, message).into_iter().chain(reply(contracts, message)).chain(files(message));
        report.problems.extend(found);
    }
}

fn owner(contracts: &Contracts, message: &Message) -> Option<Remark> {
    let owner = &message.name.owner;
    (!contracts.services.contains_key(owner)).then(|| {
        Remark::new("owner-missing", &message.name, format!("its owner {owner} is not a service"))
            .todo("move the file to the folder of the service that owns it, or add the service")
    })
}

fn reply(contracts: &Contracts, message: &Message) -> Option<Remark> {
    let reply = message.reply.as_ref()?;
    let says = match contracts.messages.get(reply) {
        Some(found) if found.kind == Kind::Reply => return None,
        Some(_) => format!("its reply {reply} is not a reply"),
        None => format!("its reply {reply} has no schema file"),
    };
    let todo = format!("name another reply in x-kith, or write events/schemas/{}/{}.json", reply.owner, reply.key());
    Some(Remark::new("reply-missing", &message.name, says).todo(todo))
}

fn files(message: &Message) -> Vec<Remark> {
    let mut unknown = vec![];
    collect_references(&message.bundled, &mut unknown);
    let unknown = unknown.into_iter().filter(|target| !target.starts_with('#'));
    let remark = |target| {
        Remark::new("reference-missing", &message.name, format!("it refers to {target}, which does not exist"))
            .todo("refer to a file in the same folder, or to #/$defs/<Name>")
    };
    unknown.map(remark).collect()
}

fn collect_references<'a>(schema: &'a Value, found: &mut Vec<&'a str>) {
    match schema {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            let schemas = fields.iter().filter(|(key, _)| !["examples", "enum", "const", "default"].contains(&&***key));
            schemas.for_each(|(_, value)| collect_references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        _ => {}
    }
}
