//! Elasticsearch: documents under their own ids, each with the sequence of the event that wrote it as its version.
//!
//! There are no transactions. Instead, a write with an older version than the existing one changes nothing. So messages
//! may arrive twice, late and in any order, and a batch that was half written before a crash can safely be handled
//! again. No event deletes a document: the server forgets a deleted document's version after a minute, and an old event
//! would restore it. A tombstone replaces the document for 14 days.
//! Such a service consumes events and handles queries. It cannot save and publish atomically, so it publishes only
//! confirmations (`confirm.rs`).

mod bookmarks;
mod building;
mod bulk;
mod client;
mod confirm;
mod decisions;
mod find;
mod index;
mod index_plan;
mod leases;
mod names;
mod owners;
mod parked;
mod plan;
mod set_aside;
mod settings;
mod store;

use crate::failure::StoreError;

pub use find::{Hit, Passages, Question};
pub use index::{Document, Index};
pub use index_plan::IndexPlan;
pub use settings::ElasticsearchBuilder;

use bookmarks::BOOKMARKS;
use client::Client;
use decisions::DECISIONS;
use leases::LEASES;
use names::Names;
use owners::ERASED;
use set_aside::{SET_ASIDE, Waiting};

/// The skeleton's own indices, beside those of a service.
const OWN: [IndexPlan; 5] = [
    IndexPlan { name: SET_ASIDE, version: 2, body: include_str!("indices/set_aside.json") },
    IndexPlan { name: ERASED, version: 1, body: include_str!("indices/erased.json") },
    IndexPlan { name: DECISIONS, version: 1, body: include_str!("indices/decisions.json") },
    IndexPlan { name: LEASES, version: 1, body: include_str!("indices/leases.json") },
    IndexPlan { name: BOOKMARKS, version: 1, body: include_str!("indices/bookmarks.json") },
];

/// A part of an Elasticsearch server: the indices whose names begin with a service's prefix.
#[derive(Clone)]
pub struct Elasticsearch {
    client: Client,
    names: Names,
    plans: &'static [IndexPlan],
    replicas: u32,
}

impl Elasticsearch {
    /// A store with these indices. Each gets the fields `owner_id`, `deleted` and `buried_at` in addition to its own.
    pub fn indexed_by(plans: &'static [IndexPlan]) -> ElasticsearchBuilder {
        ElasticsearchBuilder { plans }
    }

    /// Makes written documents searchable now, instead of within about a second. For tests and tools: each call puts
    /// load on the server.
    ///
    /// # Errors
    /// Fails if the server does not respond.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        for plan in self.plans {
            self.client.refresh(&self.names.alias(plan.name)).await?;
        }
        Ok(())
    }

    fn waiting(&self) -> Waiting<'_> {
        Waiting { client: &self.client, index: self.names.alias(SET_ASIDE) }
    }
}
