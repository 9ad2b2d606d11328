//! Network: who knows whom, how well, and what may be shown of it.

mod consumers;
pub mod domain;
mod events;
mod excerpts;
mod rebuild;
mod requests;
mod store;

use skeleton::{Neo4j, Service};

/// The service, assembled.
pub fn service() -> Service<Neo4j> {
    Service::named("network")
        .settings(include_str!("../config/default.toml"))
        .provides("identity", domain::Pepper::from_settings)
        .store(Neo4j::migrated_by(store::MIGRATIONS))
        .consumes(consumers::subscriptions())
        .answers(requests::answers(), &["gateway", "demo"])
        .calls(&["accounts", "contacts"])
        .rebuilds(rebuild::projections())
}
