//! A transaction in Neo4j.

mod lines;
mod running;
mod statements;
mod transaction;

use std::{collections::HashSet, sync::Arc};

use neo4rs::{BoltType, Txn, query};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    error::store_error,
    lanes::{Lane, Lanes},
};
use crate::{
    failure::StoreError,
    store::{Publish, ServiceContext, UnitOfWork},
};

/// The ids are sorted: two transactions that record the same ones wait for each other instead of deadlocking.
const RECORD_IN_INBOX: &str = "UNWIND $ids AS id
    MERGE (entry:Inbox {id: id}) ON CREATE SET entry.is_new = true
    WITH entry, id WHERE entry.is_new
    SET entry.is_new = null, entry.taken_in_at = datetime()
    RETURN id";

/// A transaction. If it is dropped without a commit, or a statement in it has failed, its connection is closed and the
/// server rolls back at once.
pub struct Tx {
    open: Option<OpenTransaction>,
    has_failed: bool,
    lanes: Arc<Lanes>,
    new: HashSet<Uuid>,
    later: Later,
    work: UnitOfWork,
    wakeup: Arc<Notify>,
}

/// Deferred changes.
#[derive(Default)]
struct Later {
    changes: Vec<(&'static str, Vec<BoltType>)>,
    touched: HashSet<String>,
}

/// The transaction is dropped before its connection.
struct OpenTransaction {
    txn: Txn,
    lane: Lane,
}

impl Tx {
    pub(super) async fn begin(
        lanes: &Arc<Lanes>,
        wakeup: &Arc<Notify>,
        service: &Arc<ServiceContext>,
        inbox_ids: &[Uuid],
    ) -> Result<Self, StoreError> {
        let opening = Box::pin(async {
            let lane = lanes.take().await?;
            let txn = lane.graph.start_txn().await.map_err(store_error)?;
            Ok(OpenTransaction { txn, lane })
        });
        let open = Some(lanes.within(opening).await?);
        let (lanes, work) = (lanes.clone(), UnitOfWork::new(service.clone()));
        let mut tx = Self {
            open,
            has_failed: false,
            lanes,
            new: HashSet::new(),
            later: Later::default(),
            work,
            wakeup: wakeup.clone(),
        };
        if !inbox_ids.is_empty() {
            let mut ids: Vec<String> = inbox_ids.iter().map(Uuid::to_string).collect();
            ids.sort_unstable();
            tx.new = tx.query(query(RECORD_IN_INBOX).param("ids", ids)).await?.into_iter().collect();
        }
        Ok(tx)
    }
}

impl Publish for Tx {}
