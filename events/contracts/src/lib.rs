//! The messages of Kith as contracts: their schemas, their producers, and the fields that each consumer reads.
//!
//! They are read from files alone, so a pipeline can check a change before anything is compiled: the schemas under
//! `events/schemas`, and the `contract.json` that every service generates (`<service> contract`).

mod broker;
mod check;
mod consumers;
mod drift;
mod error;
mod file;
mod history;
mod hit;
mod lock;
mod message;
mod name;
mod pair;
mod pointer;
mod release;
mod removal;
mod report;
mod retirements;
mod seen;
mod service;
mod topology;
mod upcasters;

use std::{collections::BTreeMap, path::Path};

use chrono::NaiveDate;

pub use broker::Broker;
pub use check::{check, check_repository};
pub use consumers::consumers_text;
pub use drift::{Difference, Drift, drift};
pub use error::ContractError;
pub use history::Earlier;
pub use hit::{Hit, Reader};
pub use lock::Lock;
pub use message::{Kind, Message};
pub use name::MessageName;
pub use pair::{compare_files, comparison_text};
pub use release::{Release, release};
pub use removal::{Removal, can_remove};
pub use report::{Remark, Report};
pub use schema_compat::Comparison;
pub use seen::{Seen, Sighting};
pub use service::{Reading, ServiceContract};
pub use topology::{Binding, Exchange, Queue, Topology};

/// All messages, and the contracts of all services.
#[derive(Clone, Debug)]
pub struct Contracts {
    /// The messages, by name.
    pub messages: BTreeMap<MessageName, Message>,
    /// The services, by name.
    pub services: BTreeMap<String, ServiceContract>,
    /// The last day on which a version is supported, for versions that have an end date.
    pub retirements: BTreeMap<MessageName, NaiveDate>,
}

impl Contracts {
    /// Reads the contracts from a repository's folder: `events/schemas/*/*.json` and `services/*/contract.json`.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read or does not match its name; the text names the file and the remedy.
    pub fn read(repository: &Path) -> Result<Self, ContractError> {
        Ok(Self {
            messages: message::read_all(repository)?,
            services: service::read_all(&repository.join("services"))?,
            retirements: retirements::read(repository)?,
        })
    }

    /// Returns the readers of a message and the fields that they read: its subscribers, its answerer or its worker.
    pub fn readers_of<'a>(&'a self, message: &'a MessageName) -> impl Iterator<Item = (&'a str, &'a Reading)> {
        self.services.values().flat_map(move |service| {
            service
                .readings()
                .filter(move |reading| reading.message == *message)
                .map(|reading| (&*service.service, reading))
        })
    }

    /// Returns all versions of a message that have a file, oldest first.
    pub fn versions_of<'a>(&'a self, message: &'a MessageName) -> impl Iterator<Item = &'a Message> {
        self.messages.values().filter(|other| other.name.owner == message.owner && other.name.name == message.name)
    }

    /// Returns the name that the next version will have.
    pub fn next_version(&self, message: &MessageName) -> MessageName {
        let last = self.versions_of(message).map(|other| other.name.version).max().unwrap_or(message.version);
        message.in_version(last + 1)
    }
}
