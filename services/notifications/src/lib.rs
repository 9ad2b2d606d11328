//! Notifications: notifies members in the app and by mail.

mod consumers;
pub mod domain;
mod events;
mod excerpts;
mod jobs;
mod requests;
mod store;

use skeleton::{Postgres, Service, mail::Mailer};

/// Assembles the service.
pub fn service() -> Service<Postgres> {
    Service::of(&notifications_events::PACKAGE)
        .settings(include_str!("../config/default.toml"))
        .store(Postgres::migrated_by(store::MIGRATIONS))
        .partner("mail", Mailer::new)
        .consumes(consumers::subscriptions())
        .answers(requests::answers(), &["gateway"])
        .jobs(jobs::jobs())
        .schedules(jobs::digest::schedules())
        .housekeeping(jobs::housekeeping::tasks())
}
