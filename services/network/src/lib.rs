//! Network: the graph of members and their contacts, the strength of ties, and what may be shown of them.

mod consumers;
pub mod domain;
mod events;
mod excerpts;
mod rebuild;
mod requests;
mod store;

use skeleton::{Neo4j, Service};

/// Assembles the service.
pub fn service() -> Service<Neo4j> {
    Service::of(&network_events::PACKAGE)
        .settings(include_str!("../config/default.toml"))
        .provides("identity", domain::Pepper::from_settings)
        .store(Neo4j::migrated_by(store::MIGRATIONS))
        .consumes(consumers::subscriptions())
        .answers(requests::answers(), &["gateway", "demo"])
        .calls(&["accounts", "contacts"])
        .rebuilds(rebuild::projections())
}
