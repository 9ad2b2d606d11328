//! Elasticsearch as a store.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Elasticsearch, Index, OWN, plan};
use crate::failure::StoreError;
use crate::store::{
    CLEAN_UP_LEASE, Counts, CursorsToCheck, Filter, Leases, ServiceContext, SetAside, Store, UnitOfWork,
};

impl Store for Elasticsearch {
    type Tx = Index;

    /// A document's version is the sequence of the event that wrote it, so the latest wins without cursors. Without
    /// transactions, events cannot be handled in order.
    const KEEPS_CURSORS: bool = false;

    const EXPIRING: &'static [&'static str] = &["tombstones"];

    /// While it starts, it answers 401 to every login for some seconds.
    const REFUSES_FOR: Duration = Duration::from_secs(20);

    async fn begin(&self, service: &Arc<ServiceContext>, _: &[Uuid]) -> Result<Index, StoreError> {
        Ok(Index::new(self.clone(), UnitOfWork::new(service.clone())))
    }

    /// Checks that the server responds and all existing indices are readable.
    async fn ping(&self) -> Result<(), StoreError> {
        // A service may have no indices of its own: for an empty name, the server would wait until such an index exists.
        let patterns = [self.plans, &OWN].map(|plans| self.names.pattern(plans));
        let patterns: Vec<String> = patterns.into_iter().filter(|pattern| !pattern.is_empty()).collect();
        let health = self.client.get(&format!("_cluster/health/{}", patterns.join(","))).await?;
        if health["status"] == json!("red") {
            return Err(StoreError::unavailable("elasticsearch: an index is unavailable: see the server's log"));
        }
        Ok(())
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.ping().await?;
        let aliases: Vec<String> = OWN.iter().chain(self.plans).map(|plan| self.names.alias(plan.name)).collect();
        match self.client.get(&format!("_alias/{}", aliases.join(","))).await {
            Ok(_) => Ok(()),
            Err(error) if error.has_status(404) => Err(StoreError::unmigrated("elasticsearch")),
            Err(error) => Err(error.into()),
        }
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
