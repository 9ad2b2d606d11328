//! `cargo xtask events can-remove`: who still needs a message, from the code and from a running broker.

use std::fmt;

use serde_json::Value;

use crate::{
    Broker, ContractError, Contracts, Kind, Message, MessageName,
    broker::{LiveBinding, topic_matches},
};

/// Who still needs a message.
#[derive(Clone, Debug)]
pub struct Removal {
    /// The message.
    pub name: MessageName,
    /// Who needs it, and how: each a part of a sentence.
    pub users: Vec<String>,
    /// The newest version after it.
    pub newer: Option<MessageName>,
    /// What else is to be thought of.
    pub notes: Vec<String>,
}

/// Says who still needs a message. Without a broker only what the code says.
///
/// # Errors
/// Where there is no such message.
pub fn can_remove(
    contracts: &Contracts,
    name: &MessageName,
    broker: Option<&Broker>,
) -> Result<Removal, ContractError> {
    let message = contracts.message(name)?;
    let mut users: Vec<_> = contracts.readers_at(message, "").iter().map(|reader| reader.text()).collect();
    if message.kind == Kind::Reply {
        // Those that ask for it are found by the requests that name it.
        users.clear();
    }
    users.extend(contracts.messages.values().filter_map(|other| needs(other, message)));
    users.extend(broker.into_iter().flat_map(|broker| bound(broker, message)));
    let newer = contracts.versions_of(name).map(|other| &other.name).filter(|other| other.version > name.version);
    Ok(Removal {
        name: name.clone(),
        users,
        newer: newer.max().cloned(),
        notes: notes(contracts, message, broker.is_some()),
    })
}

/// How one message needs another.
fn needs(other: &Message, message: &Message) -> Option<String> {
    if other.name == message.name {
        return None;
    }
    if other.reply.as_ref() == Some(&message.name) {
        return Some(format!("the request {}, whose reply it is", other.name));
    }
    let file = format!("{}.json", message.name.key());
    let refers = other.name.owner == message.name.owner && refers_to(&other.schema, &file);
    refers.then(|| format!("the schema of {}, which refers to it", other.name))
}

fn refers_to(schema: &Value, file: &str) -> bool {
    match schema {
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            let target = value.as_str().filter(|_| key == "$ref").and_then(|target| target.split('#').next());
            target == Some(file) || refers_to(value, file)
        }),
        Value::Array(items) => items.iter().any(|item| refers_to(item, file)),
        _ => false,
    }
}

/// The queues that get it.
fn bound(broker: &Broker, message: &Message) -> Vec<String> {
    let bindings = broker.bindings.iter().filter(|binding| carries(binding, message));
    bindings.map(|binding| place(broker, binding)).collect()
}

fn carries(binding: &LiveBinding, message: &Message) -> bool {
    let MessageName { owner, .. } = &message.name;
    let key = message.name.key();
    match message.kind {
        Kind::Event => binding.source == format!("events.{owner}") && topic_matches(&binding.routing_key, &key),
        Kind::Request => binding.source == format!("requests.{owner}") && binding.routing_key == key,
        Kind::Job => binding.source == format!("jobs.{owner}") && binding.routing_key == key,
        // It goes to the queue of whoever asked.
        Kind::Reply => false,
    }
}

fn place(broker: &Broker, binding: &LiveBinding) -> String {
    let LiveBinding { destination, destination_type, routing_key, .. } = binding;
    let queue = broker.queues.iter().find(|queue| destination_type == "queue" && queue.name == *destination);
    let counts = queue.map_or_else(String::new, |queue| format!(" ({})", queue.counts()));
    format!("the {destination_type} {destination} on the broker, bound with {routing_key}{counts}")
}

fn notes(contracts: &Contracts, message: &Message, asked_broker: bool) -> Vec<String> {
    let name = &message.name;
    let mut notes = vec![];
    if !asked_broker {
        notes.push("the broker was not asked: a service of an older build may still listen".to_owned());
    }
    let writers = contracts.writers_of(message);
    if !writers.is_empty() {
        let may = if message.kind == Kind::Request { "may still send it" } else { "must not write it any more" };
        notes.push(format!("{} {may}: contracts do not say what a service writes", writers.join(", ")));
    }
    notes.push(format!("messages that were set aside are not seen here: <service> parked list --name {name}"));
    notes
}

impl Removal {
    /// Whether nobody needs it.
    pub fn ok(&self) -> bool {
        self.users.is_empty()
    }
}

impl fmt::Display for Removal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        if self.ok() {
            writeln!(formatter, "{name} can be removed: its file and its line in events/released.lock, in one change")?;
        } else {
            writeln!(formatter, "{name} is still in use by")?;
            self.users.iter().try_for_each(|user| writeln!(formatter, "  {user}"))?;
        }
        match &self.newer {
            Some(newer) => write!(formatter, "newer: {newer}")?,
            None => write!(formatter, "there is no newer version: without it the message is gone altogether")?,
        }
        self.notes.iter().try_for_each(|note| write!(formatter, "\nnote: {note}"))
    }
}
