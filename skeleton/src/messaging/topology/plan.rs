//! What would change on the broker, and what is in the way.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::Rights;

/// Everything that differs between what a service needs and what is on the broker.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Difference {
    /// What an administrator would do, in this order.
    pub changes: Vec<Change>,
    /// What the service needs no more. It stays: messages may be in it.
    pub left_over: Vec<LeftOver>,
    /// What is there and is not what is needed. While there is any, nothing is changed.
    pub clashes: Vec<Clash>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// An exchange is not there.
    MakeExchange {
        /// Its name.
        exchange: String,
        /// Its type.
        kind: String,
        /// Its arguments.
        arguments: Value,
    },
    /// A queue is not there.
    MakeQueue {
        /// Its name.
        queue: String,
        /// Its arguments.
        arguments: Value,
    },
    /// A queue does not get what the service listens to.
    Bind {
        /// The queue, or the exchange that splits for some queues.
        destination: Destination,
        /// The exchange.
        exchange: String,
        /// With which routing key.
        routing_key: String,
    },
    /// A queue gets what the service listens to no more.
    Unbind {
        /// The queue, or the exchange that splits for some queues.
        destination: Destination,
        /// The exchange.
        exchange: String,
        /// With which routing key.
        routing_key: String,
        /// What the broker calls the binding.
        properties_key: String,
    },
    /// A queue of events as they were split before is worked off: nothing is bound to it, and nothing is in it.
    DeleteEmpty {
        /// The queue.
        queue: String,
    },
    /// The service's user is not there.
    MakeUser {
        /// Its name.
        user: String,
    },
    /// The service's user has a rank, such as administrator.
    TakeTags {
        /// Its name.
        user: String,
        /// Its tags.
        tags: Value,
    },
    /// The service's user may do something else than it should.
    SetRights {
        /// Its name.
        user: String,
        /// What it may do now, if anything.
        from: Option<Rights>,
        /// What it should.
        to: Rights,
    },
}

/// What messages come into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Destination {
    /// A queue.
    Queue(String),
    /// An exchange.
    Exchange(String),
}

/// A queue of the service that nobody needs any more.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LeftOver {
    /// Its name.
    pub queue: String,
    /// How many messages are in it, once the broker has counted them.
    pub messages: Option<u64>,
    /// How many read it.
    pub consumers: Option<u64>,
}

/// Something on the broker that is not what is needed, and that the broker cannot change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Clash {
    /// `queue` or `exchange`.
    pub what: &'static str,
    /// Its name.
    pub name: String,
    /// The argument or property that differs.
    pub argument: String,
    /// Its value on the broker; null where it is not set.
    pub on_broker: Value,
    /// Its value in what is needed; null where it must not be set.
    pub needed: Value,
}

impl Difference {
    /// Whether there is nothing to do, and nothing in the way.
    pub fn is_nothing(&self) -> bool {
        self.changes.is_empty() && self.clashes.is_empty()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in &self.changes {
            writeln!(formatter, "{change}")?;
        }
        for left in &self.left_over {
            writeln!(formatter, "{left}")?;
        }
        for clash in &self.clashes {
            writeln!(formatter, "clash: {clash}")?;
        }
        let (changes, left, clashes) = (self.changes.len(), self.left_over.len(), self.clashes.len());
        write!(formatter, "{changes} to do, {left} left over, {clashes} in the way")
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MakeExchange { exchange, kind, .. } => write!(formatter, "make exchange {exchange} ({kind})"),
            Self::MakeQueue { queue, arguments } => write!(formatter, "make queue {queue} {arguments}"),
            Self::Bind { destination, exchange, routing_key } => {
                write!(formatter, "bind {destination} to {exchange} with {routing_key:?}")
            }
            Self::Unbind { destination, exchange, routing_key, .. } => {
                write!(formatter, "unbind {destination} from {exchange} with {routing_key:?}")
            }
            Self::DeleteEmpty { queue } => write!(formatter, "delete queue {queue}, which is worked off"),
            Self::MakeUser { user } => write!(formatter, "make user {user}"),
            Self::TakeTags { user, tags } => write!(formatter, "take from user {user} the tags {tags}"),
            Self::SetRights { user, from, to } => {
                let now = from.as_ref().map_or_else(|| "nothing".to_owned(), Rights::to_string);
                write!(formatter, "let user {user} {to}; now it may {now}")
            }
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(name) | Self::Exchange(name) => formatter.write_str(name),
        }
    }
}

impl fmt::Display for LeftOver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
        let (messages, consumers) = (count(self.messages), count(self.consumers));
        write!(formatter, "left over: queue {} with {messages} messages and {consumers} consumers", self.queue)
    }
}

impl fmt::Display for Clash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, name, argument, on_broker, needed } = self;
        let value = |value: &Value| if value.is_null() { "not set".to_owned() } else { value.to_string() };
        let (on_broker, needed) = (value(on_broker), value(needed));
        write!(formatter, "{what} {name}: {argument} is {on_broker} on the broker, and {needed} is needed")
    }
}
