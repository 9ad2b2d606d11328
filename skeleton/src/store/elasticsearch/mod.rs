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

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    CLEAN_UP_LEASE, Counts, CursorsToCheck, Filter, Leases, ServiceContext, SetAside, Store, StoreBuilder, UnitOfWork,
};
use crate::{
    config::{Secret, Settings},
    failure::StoreError,
    tls::Tls,
};

pub use find::{Hit, Passages, Question};
pub use index::{Document, Index};
pub use index_plan::IndexPlan;

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

/// Opens an Elasticsearch store.
pub struct ElasticsearchBuilder {
    plans: &'static [IndexPlan],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreSettings {
    /// `https://user@host:port`, or `http://` for plain text, without the password.
    url: String,
    #[serde(default)]
    password: Secret,
    /// A PEM file with the certificate authorities that signed the server's certificate, unless a public one did.
    #[serde(default)]
    tls_ca_file: Option<std::path::PathBuf>,
    /// Whether plain-text connections to a server on another machine are allowed.
    #[serde(default)]
    allow_plaintext: bool,
    /// The prefix of the index names.
    #[serde(default = "search")]
    prefix: String,
    /// The time limit of a call.
    #[serde(default = "five_seconds")]
    timeout_ms: u64,
    /// The number of replicas of a new index.
    #[serde(default)]
    number_of_replicas: u32,
}

fn search() -> String {
    "search".to_owned()
}

fn five_seconds() -> u64 {
    5000
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

impl StoreBuilder for ElasticsearchBuilder {
    type Store = Elasticsearch;

    fn open(&self, settings: &Settings) -> Result<Elasticsearch, StoreError> {
        let section: StoreSettings = settings.section("store").map_err(StoreError::broken)?;
        let timeout = Duration::from_millis(section.timeout_ms);
        let tls = Tls::new(section.tls_ca_file.as_deref(), section.allow_plaintext).map_err(StoreError::broken)?;
        Ok(Elasticsearch {
            client: Client::new(&section.url, section.password.reveal(), timeout, &tls)?,
            names: Names::new(&section.prefix, self.plans)?,
            plans: self.plans,
            replicas: section.number_of_replicas,
        })
    }
}

impl Store for Elasticsearch {
    type Tx = Index;

    /// A document's version is the sequence of the event that wrote it, so the latest wins without cursors. Without
    /// transactions, events cannot be handled in order.
    const KEEPS_CURSORS: bool = false;

    const EXPIRING: &'static [&'static str] = &["tombstones"];

    async fn begin(&self, service: &Arc<ServiceContext>, _: &[Uuid]) -> Result<Index, StoreError> {
        Ok(Index::new(self.clone(), UnitOfWork::new(service.clone())))
    }

    /// Checks that the server responds and all existing indices are readable.
    async fn ping(&self) -> Result<(), StoreError> {
        // A service may have no indices of its own: for an empty name, the server would wait until such an index exists.
        let patterns = [self.plans, &OWN].map(|plans| self.names.pattern(plans));
        let patterns: Vec<String> = patterns.into_iter().filter(|pattern| !pattern.is_empty()).collect();
        let patterns = patterns.join(",");
        let health = self.client.get(&format!("_cluster/health/{patterns}")).await?;
        if health["status"] == json!("red") {
            return Err(StoreError::unavailable("elasticsearch: an index is unavailable: see the server's log"));
        }
        Ok(())
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        for plan in &OWN {
            let body = plan::body_of(plan, self.replicas, &Value::Null)?;
            plan::bring_up_to_date(&self.client, &self.names, plan, &body).await?;
        }
        for plan in self.plans {
            plan::bring_up_to_date(&self.client, &self.names, plan, &self.body_of(plan)?).await?;
        }
        Ok(())
    }

    async fn failures_of(&self, message: Uuid) -> Result<u32, StoreError> {
        Ok(self.waiting().find(message).await?.map_or(0, |(found, _)| found.attempts))
    }

    async fn set_aside(&self, message: &SetAside) -> Result<(), StoreError> {
        self.waiting().keep(message).await
    }

    async fn forget_waiting(&self, message: Uuid) -> Result<(), StoreError> {
        self.waiting().forget(message).await
    }

    async fn due(
        &self,
        queue: &str,
        _: &CursorsToCheck,
        except: &[String],
        limit: i64,
    ) -> Result<Vec<Uuid>, StoreError> {
        self.waiting().due(queue, except, limit).await
    }

    async fn list_set_aside(&self, filter: &Filter, limit: i64) -> Result<Vec<SetAside>, StoreError> {
        self.waiting().list(filter, limit).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.waiting().count().await
    }

    async fn may_clean_up(&self, holder: &str, lasts: Duration) -> Result<bool, StoreError> {
        Ok(self.claim(CLEAN_UP_LEASE, holder, lasts).await?.is_some())
    }

    /// Deletes expired tombstones. The marks of erased accounts remain.
    async fn clean_up(&self, _: &str, limit: i64) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        for plan in self.plans {
            let old = json!({ "bool": { "filter": [{ "term": { "deleted": true } }, { "range": { "buried_at": { "lt": "now-14d" } } }] } });
            let index = self.names.alias(plan.name);
            // Without the refresh, documents deleted in the last round would be found again.
            self.client.refresh(&index).await?;
            let path = format!("{index}/_delete_by_query?conflicts=proceed&max_docs={limit}");
            let answer = self.client.post(&path, json!({ "query": old })).await?;
            forgotten += answer["deleted"].as_u64().unwrap_or_default();
        }
        Ok(forgotten)
    }
}
