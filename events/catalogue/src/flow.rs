//! The senders and receivers of a message: the only module that decides a direction.
//!
//! | kind | sent by | received by |
//! |---|---|---|
//! | event | its owner | its consumers |
//! | request | the callers of its owner | the service that answers it |
//! | reply | the services that answer its requests | the callers |
//! | job | its owner | its owner |

use std::collections::BTreeSet;

use contracts::{Contracts, Kind, Message, MessageName, Reading, ServiceContract};

use crate::CatalogueError;

/// The route of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// The senders.
    pub senders: BTreeSet<String>,
    /// The exchanges that it is sent to; a reply goes to a different exchange for each caller.
    pub exchanges: BTreeSet<String>,
    /// The route to each receiver.
    pub hops: Vec<Hop>,
}

/// The route from an exchange to one receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct Hop {
    /// The exchange.
    pub exchange: String,
    /// The queue.
    pub queue: String,
    /// The receiver.
    pub receiver: String,
    /// The part of it that the receiver reads.
    pub reads: Reads,
}

/// The part of a message that a receiver reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Reads {
    /// These fields, as listed in its contract.
    Fields(Vec<String>),
    /// It is upcast to this newer version first, and read as that.
    As(u32),
    /// Unknown: contracts do not list the fields of replies.
    NotListed,
}

impl Flow {
    /// Returns the route of a message according to the contracts.
    pub fn of(contracts: &Contracts, message: &Message) -> Self {
        match message.kind {
            Kind::Reply => reply(contracts, message),
            kind => forward(contracts, message, kind),
        }
    }

    /// Returns the route of the reply to a request with this route.
    pub(crate) fn back(&self) -> Self {
        replying(self.receivers().into_iter().map(str::to_owned).collect(), self.senders.clone())
    }

    /// Returns the receivers.
    pub fn receivers(&self) -> BTreeSet<&str> {
        self.hops.iter().map(|hop| &*hop.receiver).collect()
    }
}

/// Returns the exchange that a message is sent to; `None` for replies, which go to the caller.
pub(crate) fn exchange_of(message: &Message) -> Option<String> {
    let prefix = match message.kind {
        Kind::Event => "events",
        Kind::Request => "requests",
        Kind::Job => "jobs",
        Kind::Reply => return None,
    };
    Some(format!("{prefix}.{}", message.name.owner))
}

/// Returns the callers of a service: those that declare it and those that it allows.
pub(crate) fn askers_of(contracts: &Contracts, service: &str) -> BTreeSet<String> {
    let willing = contracts.services.values().filter(|other| other.asks.iter().any(|asked| asked == service));
    let allowed = contracts.services.get(service).map(|service| service.callers.clone()).unwrap_or_default();
    willing.map(|other| other.service.clone()).chain(allowed).collect()
}

/// Returns the requests that a reply belongs to.
pub(crate) fn requests_for<'a>(contracts: &'a Contracts, reply: &'a MessageName) -> impl Iterator<Item = &'a Message> {
    contracts.messages.values().filter(move |request| request.reply.as_ref() == Some(reply))
}

/// Returns an error if a contract and the schemas do not match.
pub(crate) fn check(contracts: &Contracts) -> Result<(), CatalogueError> {
    for service in contracts.services.values() {
        if let Some(reading) = service.readings().find(|reading| !contracts.messages.contains_key(&reading.message)) {
            let (service, message) = (service.service.clone(), reading.message.clone());
            return Err(CatalogueError::UnknownMessage { service, message });
        }
    }
    for request in contracts.messages.values() {
        if let Some(reply) = request.reply.as_ref().filter(|reply| !contracts.messages.contains_key(reply)) {
            return Err(CatalogueError::UnknownReply { request: request.name.clone(), reply: reply.clone() });
        }
    }
    Ok(())
}

fn forward(contracts: &Contracts, message: &Message, kind: Kind) -> Flow {
    let exchange = exchange_of(message).unwrap_or_default();
    let senders = match kind {
        Kind::Request => askers_of(contracts, &message.name.owner),
        _ => BTreeSet::from([message.name.owner.clone()]),
    };
    let hops = contracts.services.values().filter_map(|service| {
        let queue = queue_of(service, &exchange, &message.name);
        let reads = reads(doors(service, kind), &message.name, queue.is_some())?;
        let queue = queue.unwrap_or_else(|| default_queue(service, kind));
        Some(Hop { exchange: exchange.clone(), queue, receiver: service.service.clone(), reads })
    });
    Flow { senders, hops: hops.collect(), exchanges: BTreeSet::from([exchange]) }
}

/// Returns what a service reads of a message. If it only has a binding for it, the message is an older version.
fn reads(doors: &[Reading], message: &MessageName, is_bound: bool) -> Option<Reads> {
    if let Some(reading) = doors.iter().find(|reading| reading.message == *message) {
        return Some(Reads::Fields(reading.reads.clone()));
    }
    let newer = doors.iter().map(|reading| &reading.message).filter(|other| {
        is_bound && (&other.owner, &other.name) == (&message.owner, &message.name) && other.version > message.version
    });
    newer.map(|other| other.version).min().map(Reads::As)
}

fn reply(contracts: &Contracts, message: &Message) -> Flow {
    let requests: Vec<Flow> =
        requests_for(contracts, &message.name).map(|request| Flow::of(contracts, request)).collect();
    replying(
        requests.iter().flat_map(Flow::receivers).map(str::to_owned).collect(),
        requests.iter().flat_map(|request| request.senders.clone()).collect(),
    )
}

fn replying(senders: BTreeSet<String>, askers: BTreeSet<String>) -> Flow {
    let hop = |receiver: String| Hop {
        exchange: format!("replies.{receiver}"),
        queue: format!("{receiver}.replies.<instance>"),
        receiver,
        reads: Reads::NotListed,
    };
    let hops: Vec<Hop> = askers.into_iter().map(hop).collect();
    Flow { senders, exchanges: hops.iter().map(|hop| hop.exchange.clone()).collect(), hops }
}

fn doors(service: &ServiceContract, kind: Kind) -> &[Reading] {
    match kind {
        Kind::Event => &service.consumes,
        Kind::Request => &service.answers,
        Kind::Job => &service.jobs,
        Kind::Reply => &[],
    }
}

fn queue_of(service: &ServiceContract, exchange: &str, message: &MessageName) -> Option<String> {
    let is_bound = |binding: &contracts::Binding| binding.exchange == exchange && binding.routing_key == message.key();
    service.topology.bound().find(|(_, _, bindings)| bindings.iter().any(is_bound)).map(|(_, name, _)| name.to_owned())
}

fn default_queue(service: &ServiceContract, kind: Kind) -> String {
    let name = match kind {
        Kind::Event => "events",
        Kind::Job => "jobs",
        Kind::Request | Kind::Reply => "requests",
    };
    format!("{}.{name}", service.service)
}
