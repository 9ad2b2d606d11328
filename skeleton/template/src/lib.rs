//! Depot: keeps the parcels of accounts.

mod consumers;
pub mod domain;
mod events;
mod excerpts;
mod jobs;
mod requests;
mod store;

use skeleton::{Postgres, Service};

/// Assembles the service.
pub fn service() -> Service<Postgres> {
    Service::of(&depot_events::PACKAGE)
        .settings(include_str!("../config/default.toml"))
        .store(Postgres::migrated_by(store::MIGRATIONS))
        .consumes(consumers::subscriptions())
        .answers(requests::answers(), &["gateway"])
        .jobs(jobs::jobs())
        .schedules(jobs::schedules())
}
