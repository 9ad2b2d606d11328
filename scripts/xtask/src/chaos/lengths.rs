//! The lengths of the rows whose length can be set.

use std::time::Duration;

use clap::Args;

use super::{duration, server::Server};
use crate::trial::Killing;

/// The lengths of the rows whose length can be set.
#[derive(Args, Clone)]
pub struct Lengths {
    /// How long the broker is away in row 15, and each store in row 47.
    #[arg(long, default_value = "15s", value_parser = duration)]
    pub outage: Duration,
    /// The store that is away in row 47: postgres, neo4j or elasticsearch; each in turn by default.
    #[arg(long, value_parser = Server::store)]
    pub store: Option<Server>,
    /// How long each fault lasts in rows 41 and 53 to 55.
    #[arg(long, default_value = "6s", value_parser = duration)]
    pub fault: Duration,
    /// The rate of requests per second while every replica is replaced in row 7.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// The number of events in the backlog of row 27.
    #[arg(long, default_value_t = 20_000)]
    pub backlog: usize,
    /// The number of events of new contacts in row 6.
    #[arg(long, default_value_t = 2_000)]
    pub events: usize,
    /// How many times services are killed in row 6; one kill of the broker for every twenty.
    #[arg(long, default_value_t = 14)]
    pub kills: usize,
}

impl Lengths {
    /// For row 47.
    pub fn stores(&self) -> Vec<Server> {
        self.store.map_or_else(|| vec![Server::Postgres, Server::Neo4j, Server::Elasticsearch], |store| vec![store])
    }

    /// For row 6.
    pub fn killing(&self) -> Killing {
        Killing { events: self.events, services: self.kills, broker: self.kills.div_ceil(20) }
    }
}
