//! How long the rows are that can be as long as one likes.

use std::time::Duration;

use clap::Args;

use super::{duration, server::Server};
use crate::trial::Killing;

/// How long the rows are that can be as long as one likes.
#[derive(Args, Clone)]
pub struct Lengths {
    /// How long the broker is away in row 15, and each store in row 47.
    #[arg(long, default_value = "15s", value_parser = duration)]
    pub outage: Duration,
    /// Which store is away in row 47: postgres, neo4j or elasticsearch; each in turn where absent.
    #[arg(long, value_parser = Server::store)]
    pub store: Option<Server>,
    /// How long each fault lasts in rows 41 and 53 to 55.
    #[arg(long, default_value = "6s", value_parser = duration)]
    pub fault: Duration,
    /// How many requests a second go on while every replica is replaced in row 7.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// How many events wait in row 27.
    #[arg(long, default_value_t = 20_000)]
    pub backlog: usize,
    /// How many events of new contacts flow in row 6.
    #[arg(long, default_value_t = 2_000)]
    pub events: usize,
    /// How often a service is killed in row 6; the broker is killed once in twenty of them.
    #[arg(long, default_value_t = 14)]
    pub kills: usize,
}

impl Lengths {
    /// Row 47.
    pub fn stores(&self) -> Vec<Server> {
        self.store.map_or_else(|| vec![Server::Postgres, Server::Neo4j, Server::Elasticsearch], |store| vec![store])
    }

    /// Row 6.
    pub fn killing(&self) -> Killing {
        Killing { events: self.events, services: self.kills, broker: self.kills.div_ceil(20) }
    }
}
