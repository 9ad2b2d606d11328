//! Neo4j as a store.

use std::{sync::Arc, time::Duration};

use neo4rs::query;
use uuid::Uuid;

use super::{
    Neo4j, Tx, migrations, sagas, schedules,
    set_aside::{self, Kept},
};
use crate::{
    failure::StoreError,
    store::{CLEAN_UP_LEASE, Counts, CursorsToCheck, Filter, Leases, ServiceContext, SetAside, Store, names_of},
};

/// The kinds of entries that expire, and the statement that deletes at most `$limit` of each. The server's clock
/// decides, since it has written the times.
const EXPIRING: [(&str, &str); 3] =
    [("inbox", FORGET_RECEIVED), ("sagas", sagas::FORGET), ("schedule runs", schedules::FORGET)];

/// Deletes messages received before the deduplication window of 14 days.
const FORGET_RECEIVED: &str = "MATCH (entry:Inbox) WHERE entry.taken_in_at < datetime() - duration('P14D')
    WITH entry LIMIT $limit DELETE entry RETURN count(*) AS removed";

impl Store for Neo4j {
    type Tx = Tx;

    const EXPIRING: &'static [&'static str] = &names_of(EXPIRING);

    async fn begin(&self, service: &Arc<ServiceContext>, inbox_ids: &[Uuid]) -> Result<Tx, StoreError> {
        Tx::begin(&self.lanes, &self.wakeup, service, inbox_ids).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.lanes.first_migration().await.map(drop)
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.migrated.check("neo4j", self.lanes.first_migration().await?.as_deref())
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        migrations::migrate(&self.patient, self.migrations).await?;
        self.migrated.note(self.lanes.first_migration().await?);
        Ok(())
    }

    async fn failures_of(&self, message: Uuid) -> Result<u32, StoreError> {
        let asked = query("MATCH (kept:SetAside {id: $id}) RETURN kept.attempts AS attempts");
        Ok(self.query_opt(asked.param("id", message.to_string())).await?.unwrap_or(0))
    }

    async fn set_aside(&self, message: &SetAside) -> Result<(), StoreError> {
        self.execute(set_aside::keep(message)?).await
    }

    async fn forget_waiting(&self, message: Uuid) -> Result<(), StoreError> {
        self.execute(query(set_aside::FORGET).param("id", message.to_string())).await
    }

    async fn due(
        &self,
        queue: &str,
        lines: &CursorsToCheck,
        except: &[String],
        limit: i64,
    ) -> Result<Vec<Uuid>, StoreError> {
        self.query(set_aside::due(queue, lines, except, limit)).await
    }

    async fn list_set_aside(&self, filter: &Filter, limit: i64) -> Result<Vec<SetAside>, StoreError> {
        let rows: Vec<Kept> = self.query(set_aside::list(filter, limit)).await?;
        Ok(rows.into_iter().map(SetAside::from).collect())
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.counted().await
    }

    async fn may_clean_up(&self, holder: &str, lasts: Duration) -> Result<bool, StoreError> {
        Ok(self.claim(CLEAN_UP_LEASE, holder, lasts).await?.is_some())
    }

    async fn clean_up(&self, kind: &str, limit: i64) -> Result<u64, StoreError> {
        let known = EXPIRING.iter().find(|(name, _)| *name == kind);
        let (_, statement) =
            known.ok_or_else(|| StoreError::broken(format!("unknown kind of expiring entries: {kind}")))?;
        self.count(query(statement).param("limit", limit)).await
    }
}
