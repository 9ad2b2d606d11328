//! Search: finds people, companies and notes in a member's own address book.

mod consumers;
pub mod domain;
mod excerpts;
mod rebuild;
mod requests;
mod store;

use skeleton::{Elasticsearch, Service};

/// Assembles the service.
pub fn service() -> Service<Elasticsearch> {
    Service::of(&search_events::PACKAGE)
        .settings(include_str!("../config/default.toml"))
        .read_model_store(Elasticsearch::indexed_by(store::INDICES))
        .consumes(consumers::subscriptions())
        .answers(requests::answers(), &["gateway"])
        .calls(&["contacts"])
        .rebuilds(rebuild::projections())
}
