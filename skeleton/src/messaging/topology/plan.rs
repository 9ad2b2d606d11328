//! The changes to make on the broker, and the clashes that prevent them.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::Rights;

/// All differences between a service's topology and the broker.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Difference {
    /// The changes that an administrator would make, in this order.
    pub changes: Vec<Change>,
    /// Queues that the service no longer needs. They stay: they may contain messages.
    pub left_over: Vec<LeftOver>,
    /// Existing objects that differ from the topology. While there are any, nothing is changed.
    pub clashes: Vec<Clash>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// An exchange is missing.
    MakeExchange {
        /// Its name.
        exchange: String,
        /// Its type.
        kind: String,
        /// Its arguments.
        arguments: Value,
    },
    /// A queue is missing.
    MakeQueue {
        /// Its name.
        queue: String,
        /// Its arguments.
        arguments: Value,
    },
    /// A binding is missing.
    Bind {
        /// The queue, or the exchange that splits events over queues.
        destination: Destination,
        /// The exchange.
        exchange: String,
        /// The routing key.
        routing_key: String,
    },
    /// A binding is no longer needed.
    Unbind {
        /// The queue, or the exchange that splits events over queues.
        destination: Destination,
        /// The exchange.
        exchange: String,
        /// The routing key.
        routing_key: String,
        /// The broker's key of the binding.
        properties_key: String,
    },
    /// A queue of an earlier number of partitions is drained: it has no bindings and no messages.
    DeleteEmpty {
        /// The queue.
        queue: String,
    },
    /// The service's user is missing.
    MakeUser {
        /// Its name.
        user: String,
    },
    /// The service's user has tags, such as administrator.
    TakeTags {
        /// Its name.
        user: String,
        /// Its tags.
        tags: Value,
    },
    /// The service's user has other rights than it should.
    SetRights {
        /// Its name.
        user: String,
        /// Its present rights, if any.
        from: Option<Rights>,
        /// The rights it should have.
        to: Rights,
    },
}

/// The destination of a binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Destination {
    /// A queue.
    Queue(String),
    /// An exchange.
    Exchange(String),
}

/// A queue of the service that is no longer needed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LeftOver {
    /// Its name.
    pub queue: String,
    /// The number of its messages, once the broker has counted them.
    pub messages: Option<u64>,
    /// The number of its consumers.
    pub consumers: Option<u64>,
}

/// An object on the broker that differs from the topology, and that the broker cannot change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Clash {
    /// `queue` or `exchange`.
    pub what: &'static str,
    /// Its name.
    pub name: String,
    /// The argument or property that differs.
    pub argument: String,
    /// Its value on the broker; null if it is not set.
    pub on_broker: Value,
    /// Its value in the topology; null if it must not be set.
    pub needed: Value,
}

impl Difference {
    /// Whether there are neither changes nor clashes.
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
        write!(formatter, "{changes} changes, {left} left over, {clashes} clashes")
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MakeExchange { exchange, kind, .. } => write!(formatter, "create exchange {exchange} ({kind})"),
            Self::MakeQueue { queue, arguments } => write!(formatter, "create queue {queue} {arguments}"),
            Self::Bind { destination, exchange, routing_key } => {
                write!(formatter, "bind {destination} to {exchange} with {routing_key:?}")
            }
            Self::Unbind { destination, exchange, routing_key, .. } => {
                write!(formatter, "unbind {destination} from {exchange} with {routing_key:?}")
            }
            Self::DeleteEmpty { queue } => write!(formatter, "delete queue {queue}, which is drained"),
            Self::MakeUser { user } => write!(formatter, "create user {user}"),
            Self::TakeTags { user, tags } => write!(formatter, "remove the tags {tags} from user {user}"),
            Self::SetRights { user, from, to } => {
                let now = from.as_ref().map_or_else(|| "nothing".to_owned(), Rights::to_string);
                write!(formatter, "set the rights of user {user} to {to}; now {now}")
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
