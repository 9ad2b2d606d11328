//! `cargo xtask events drift`: compares the contracts with a running broker.

mod bindings;
mod exchanges;
mod planned;
mod queues;

use std::fmt;

use serde::Serialize;

use self::{bindings::bindings, exchanges::exchanges, planned::Planned, queues::queues};
use crate::{Broker, Contracts};

/// A difference between the contracts and a broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// The kind of difference.
    pub is: Difference,
    /// `exchange`, `queue` or `binding`.
    pub what: &'static str,
    /// Its name; for a binding `<exchange> -> <queue> with <routing key>`.
    pub name: String,
    /// Details, if any.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub says: String,
    /// The remedy.
    #[serde(rename = "do")]
    pub todo: String,
}

/// The kinds of differences between the contracts and a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Difference {
    /// A contract names it, but the broker does not have it.
    Missing,
    /// The broker has it, but no contract names it.
    Surplus,
    /// The broker has it with other properties.
    Different,
}

impl fmt::Display for Drift {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is, what, name, says, todo } = self;
        let is = match is {
            Difference::Missing => "missing",
            Difference::Surplus => "surplus",
            Difference::Different => "different",
        };
        let says = if says.is_empty() { String::new() } else { format!(" ({says})") };
        write!(formatter, "{is} {what} {name}{says}; do: {todo}")
    }
}

/// Compares all contracts with a running broker. Does not compare users and their rights.
pub fn drift(contracts: &Contracts, broker: &Broker) -> Vec<Drift> {
    let planned = Planned::of(contracts);
    let mut found = exchanges(&planned, broker);
    found.extend(queues(&planned, broker));
    found.extend(bindings(&planned, broker));
    found
}

/// Returns a missing object. The same command also removes a surplus binding of a service's queue.
fn missing(what: &'static str, name: String, service: &str) -> Drift {
    let todo = format!("{service} topology apply");
    Drift { is: Difference::Missing, what, name, says: String::new(), todo }
}

fn surplus(what: &'static str, name: String, says: String, todo: String) -> Drift {
    let todo = format!("if it is unused, {todo}");
    Drift { is: Difference::Surplus, what, name, says, todo }
}

fn different(what: &'static str, name: &str, differences: Vec<String>, todo: String) -> Drift {
    Drift { is: Difference::Different, what, name: name.to_owned(), says: differences.join(", "), todo }
}
