//! Who sends a message and who receives it: the only place that decides a direction.
//!
//! | kind | sent by | received by |
//! |---|---|---|
//! | event | its owner | whoever consumes it |
//! | request | whoever asks its owner | whoever answers it |
//! | reply | whoever answers a request for it | whoever asks |
//! | job | its owner | whoever works it off |

use std::collections::BTreeSet;

use contracts::{Contracts, Kind, Message, MessageName, Reading, ServiceContract};

use crate::CatalogueError;

/// The way of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// Who sends it.
    pub senders: BTreeSet<String>,
    /// What it is sent to; a reply goes to a different exchange for each who asks.
    pub exchanges: BTreeSet<String>,
    /// How it comes to each who receives it.
    pub hops: Vec<Hop>,
}

/// The way from an exchange to one who receives.
#[derive(Clone, Debug, PartialEq)]
pub struct Hop {
    /// The exchange.
    pub exchange: String,
    /// The queue.
    pub queue: String,
    /// Who receives.
    pub receiver: String,
    /// What is read of it.
    pub reads: Reads,
}

/// What one who receives a message reads of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Reads {
    /// These fields, as its contract says.
    Fields(Vec<String>),
    /// The message is brought up to a newer version first, and read as that.
    As(u32),
    /// Contracts do not say it: of replies.
    NotListed,
}

impl Flow {
    /// The way of a message, as the contracts have it.
    pub fn of(contracts: &Contracts, message: &Message) -> Self {
        match message.kind {
            Kind::Reply => reply(contracts, message),
            kind => forward(contracts, message, kind),
        }
    }

    /// The way back of a request that came this way.
    pub(crate) fn back(&self) -> Self {
        replying(self.receivers().into_iter().map(str::to_owned).collect(), self.senders.clone())
    }

    /// Who receives it.
    pub fn receivers(&self) -> BTreeSet<&str> {
        self.hops.iter().map(|hop| &*hop.receiver).collect()
    }
}

/// The exchange that a message is sent to; none for replies, which go to whoever asked.
pub(crate) fn exchange_of(message: &Message) -> Option<String> {
    let prefix = match message.kind {
        Kind::Event => "events",
        Kind::Request => "requests",
        Kind::Job => "jobs",
        Kind::Reply => return None,
    };
    Some(format!("{prefix}.{}", message.name.owner))
}

/// Who may ask a service: those who say so of themselves, and those whom it lets.
pub(crate) fn askers_of(contracts: &Contracts, service: &str) -> BTreeSet<String> {
    let willing = contracts.services.values().filter(|other| other.asks.iter().any(|asked| asked == service));
    let allowed = contracts.services.get(service).map(|service| service.callers.clone()).unwrap_or_default();
    willing.map(|other| other.service.clone()).chain(allowed).collect()
}

/// The requests that a service answers with a reply.
pub(crate) fn requests_for<'a>(contracts: &'a Contracts, reply: &'a MessageName) -> impl Iterator<Item = &'a Message> {
    contracts.messages.values().filter(move |request| request.reply.as_ref() == Some(reply))
}

/// Says so where a contract and the schemas do not fit.
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

/// What a service reads of a message. One that only lies in its queue is an older version of what it reads.
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
