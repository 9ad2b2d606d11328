//! Accounts: members, their sessions and their profiles.

mod consumers;
pub mod domain;
mod events;
mod jobs;
mod requests;
mod resources;
mod store;

use skeleton::{Postgres, Service};

/// Assembles the service.
pub fn service() -> Service<Postgres> {
    Service::of(&accounts_events::PACKAGE)
        .settings(resources::settings())
        .store(Postgres::migrated_by(store::MIGRATIONS))
        .consumes(consumers::subscriptions())
        .jobs(jobs::jobs())
        .sagas()
        .answers(requests::answers(), &["gateway", "demo"])
        .answers(requests::snapshots::answers(), &["network"])
        .housekeeping(jobs::housekeeping())
}
