//! Contacts: members' address books, and the files imported into them.

mod consumers;
pub mod domain;
mod events;
mod jobs;
mod requests;
mod store;
mod views;

use skeleton::{Postgres, Service};

/// Assembles the service.
pub fn service() -> Service<Postgres> {
    Service::of(&contacts_events::PACKAGE)
        .settings(include_str!("../config/default.toml"))
        .section::<jobs::ImportSettings>("imports")
        .store(Postgres::migrated_by(store::MIGRATIONS))
        .consumes(consumers::subscriptions())
        .answers(requests::answers(), &["gateway", "demo"])
        .answers(requests::snapshots::answers(), &["network", "search"])
        .jobs(jobs::jobs())
        .housekeeping(jobs::housekeeping::tasks())
}
