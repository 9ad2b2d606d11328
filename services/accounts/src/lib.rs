//! Accounts: the people who sign in, their sessions and their profiles.

mod audit;
mod consumers;
pub mod domain;
mod erasing;
mod events;
mod housekeeping;
mod jobs;
mod passwords;
mod requests;
mod snapshots;
mod store;
mod tokens;

use skeleton::{Postgres, Service};

/// The service, assembled.
pub fn service() -> Service<Postgres> {
    Service::named("accounts")
        .settings(include_str!("../config/default.toml"))
        .store(Postgres::migrated_by(store::MIGRATIONS))
        .provides("passwords", passwords::Passwords::try_new)
        .provides("tokens", tokens::Tokens::try_new)
        .section::<domain::Throttle>("sign_in")
        .provides("erasure", domain::Reminders::try_new)
        .consumes(consumers::subscriptions())
        .jobs(jobs::jobs())
        .sagas()
        .answers(requests::answers(), &["gateway", "demo"])
        .answers(snapshots::answers(), &["network"])
        .background(housekeeping::run)
}
