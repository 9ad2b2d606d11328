//! `cargo xtask events can-remove`: the remaining users of a message, from the code and from a running broker.

use std::fmt;

use serde_json::Value;

use crate::{
    Broker, ContractError, Contracts, Kind, Message, MessageName,
    broker::{LiveBinding, topic_matches},
    upcasters::file_of,
};

/// The remaining users of a message.
#[derive(Clone, Debug)]
pub struct Removal {
    /// The message.
    pub name: MessageName,
    /// The users, each with how it uses the message; each is a phrase.
    pub users: Vec<String>,
    /// The newest later version.
    pub newer: Option<MessageName>,
    /// Further points to consider.
    pub notes: Vec<String>,
}

/// Returns the remaining users of a message; without a broker, only those known from the code.
///
/// # Errors
/// Returns an error if there is no such message.
pub fn can_remove(
    contracts: &Contracts,
    name: &MessageName,
    broker: Option<&Broker>,
) -> Result<Removal, ContractError> {
    let message = contracts.message(name)?;
    let mut removal = Removal { name: name.clone(), users: vec![], newer: None, notes: vec![] };
    if message.kind != Kind::Reply {
        // Readers of a reply are found through the requests that name it.
        removal.users.extend(contracts.readers_at(message, "").iter().map(|reader| reader.text()));
    }
    removal.users.extend(contracts.messages.values().filter_map(|other| needs(other, message)));
    match broker {
        Some(broker) => removal.add_bindings(contracts, broker, message),
        None => removal.note("the broker was not queried: a service of an older build may still consume it"),
    }
    removal.newer = contracts.newer_than(message).last().map(|newer| newer.name.clone());
    removal.add_writers(contracts, message);
    removal.note(format!("messages that are set aside are not checked here: <service> parked list --name {name}"));
    Ok(removal)
}

impl Removal {
    /// Whether the message has no users.
    pub fn ok(&self) -> bool {
        self.users.is_empty()
    }

    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    fn add_bindings(&mut self, contracts: &Contracts, broker: &Broker, message: &Message) {
        // A history stream receives every event and depends on none.
        let listens =
            |binding: &&LiveBinding| !binding.destination.starts_with("history.") && carries(binding, message);
        for binding in broker.bindings.iter().filter(listens) {
            let bound = bound(broker, binding);
            match in_its_place(contracts, broker, binding, message) {
                // A queue is bound to every published version; its service needs the newest one.
                Some(newer) => self.note(format!("{bound}, gets {newer} too, and that is what its service reads")),
                None => self.users.push(bound),
            }
        }
    }

    fn add_writers(&mut self, contracts: &Contracts, message: &Message) {
        let next = contracts.newer_than(message).next();
        match next.filter(|_| matches!(message.kind, Kind::Event | Kind::Job)) {
            Some(next) => self.note(format!(
                "it is written until DOWNCAST of {} is None in {}; its file stays, for parked messages and the history",
                next.name,
                file_of(&message.name.owner)
            )),
            None => {
                let writers = contracts.writers_of(message).join(", ");
                self.note(format!("contracts do not say what a service writes; possible producers: {writers}"));
                self.note("remove its file and its line in events/released.lock in one change");
            }
        }
    }
}

impl Contracts {
    fn newer_than<'a>(&'a self, message: &'a Message) -> impl Iterator<Item = &'a Message> {
        self.versions_of(&message.name).filter(|other| other.name.version > message.name.version)
    }
}

/// Returns how one message uses another, if it does.
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

/// Whether a binding routes a message to its queue.
fn carries(binding: &LiveBinding, message: &Message) -> bool {
    let MessageName { owner, .. } = &message.name;
    let key = message.name.key();
    match message.kind {
        Kind::Event => binding.source == format!("events.{owner}") && topic_matches(&binding.routing_key, &key),
        Kind::Request => binding.source == format!("requests.{owner}") && binding.routing_key == key,
        Kind::Job => binding.source == format!("jobs.{owner}") && binding.routing_key == key,
        // A reply goes to the queue of the caller.
        Kind::Reply => false,
    }
}

/// Returns the newer version that a queue receives through another binding and that its service consumes.
fn in_its_place<'a>(
    contracts: &'a Contracts,
    broker: &Broker,
    binding: &LiveBinding,
    message: &'a Message,
) -> Option<&'a MessageName> {
    let mut services = contracts.services.values();
    let service = services.find(|service| service.topology.bound().any(|(_, name, _)| name == binding.destination))?;
    let mut newer =
        contracts.newer_than(message).filter(|newer| service.readings().any(|read| read.message == newer.name));
    let others =
        || broker.bindings.iter().filter(|other| *other != binding && other.destination == binding.destination);
    newer.find(|newer| others().any(|other| carries(other, newer))).map(|newer| &newer.name)
}

fn bound(broker: &Broker, binding: &LiveBinding) -> String {
    let LiveBinding { destination, destination_type, routing_key, .. } = binding;
    let queue = broker.queues.iter().find(|queue| destination_type == "queue" && queue.name == *destination);
    let counts = queue.map_or_else(String::new, |queue| format!(" ({})", queue.counts()));
    format!("the {destination_type} {destination} on the broker, bound with {routing_key}{counts}")
}

impl fmt::Display for Removal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        if self.ok() {
            writeln!(formatter, "{name} can be removed")?;
        } else {
            writeln!(formatter, "{name} is still in use by")?;
            self.users.iter().try_for_each(|user| writeln!(formatter, "  {user}"))?;
        }
        match &self.newer {
            Some(newer) => write!(formatter, "newer: {newer}")?,
            None => {
                write!(formatter, "there is no newer version: without it, the message no longer exists in any version")?
            }
        }
        self.notes.iter().try_for_each(|note| write!(formatter, "\nnote: {note}"))
    }
}
