//! The transaction of a handler: writes are collected, and sent in one call when all handlers of the batch are done.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use events::Event;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Elasticsearch,
    bulk::{self, Write},
    confirm::{self, Confirmation},
    owners,
    set_aside::SET_ASIDE,
};
use crate::{
    failure::{Failure, StoreError},
    store::{SetAside, Transaction, UnitOfWork},
};

/// A document that can be searched.
pub trait Document: Serialize + Send + Sync {
    /// The index that contains it, as named in its [`super::IndexPlan`].
    const INDEX: &'static str;

    /// The account it belongs to. Other accounts do not find it, and it is removed when the account is erased.
    fn owner(&self) -> Uuid;
}

/// The writes of one batch of messages. They are sent with the commit. The only events that can be published with it
/// are confirmations of an account's erasure.
pub struct Index {
    store: Elasticsearch,
    work: UnitOfWork,
    writes: Vec<Write>,
    /// The owners of the written documents, to be checked again after the write.
    written: BTreeMap<Uuid, Vec<(&'static str, Uuid)>>,
    erased: HashMap<Uuid, u64>,
    confirmations: Vec<Confirmation>,
    removals: Vec<Write>,
}

impl Index {
    pub(super) fn new(store: Elasticsearch, work: UnitOfWork) -> Self {
        Self {
            store,
            work,
            writes: Vec::new(),
            written: BTreeMap::new(),
            erased: HashMap::new(),
            confirmations: Vec::new(),
            removals: Vec::new(),
        }
    }

    /// The store that it writes to.
    pub(super) fn store(&self) -> &Elasticsearch {
        &self.store
    }

    /// The sequence of the current event, among those of its subject.
    ///
    /// # Errors
    /// Rejects a message without a sequence.
    pub fn version(&self) -> Result<i64, Failure> {
        self.work.sequence()
    }

    /// Writes a document, unless a newer version of it or its tombstone exists.
    ///
    /// # Errors
    /// Fails if the document is not a JSON object.
    pub fn put<D: Document>(&mut self, id: Uuid, version: i64, document: &D) -> Result<(), Failure> {
        self.write(Write::versioned, id, version, document)
    }

    /// Writes a document in its owner's state, for a rebuild: unless a newer version of it or its tombstone exists. An
    /// equal one is replaced, because an owner that was restored may have what it removed under the same number.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_state<D: Document>(&mut self, id: Uuid, version: i64, document: &D) -> Result<(), Failure> {
        self.write(Write::restated, id, version, document)
    }

    fn write<D: Document>(
        &mut self,
        write: fn(&str, Uuid, i64, Value) -> Write,
        id: Uuid,
        version: i64,
        document: &D,
    ) -> Result<(), Failure> {
        let Value::Object(mut fields) = serde_json::to_value(document).map_err(Failure::bug)? else {
            return Err(Failure::bug(format!("a document of {} is not a JSON object", D::INDEX)));
        };
        fields.insert("owner_id".to_owned(), json!(document.owner()));
        self.writes.push(write(&self.store.names.alias(D::INDEX), id, version, Value::Object(fields)));
        self.written.entry(document.owner()).or_default().push((D::INDEX, id));
        Ok(())
    }

    /// Replaces a document with a tombstone, unless a newer version exists.
    pub fn bury<D: Document>(&mut self, id: Uuid, version: i64) {
        let tombstone = owners::tombstone(self.now());
        self.writes.push(Write::versioned(&self.store.names.alias(D::INDEX), id, version, tombstone));
    }

    /// The same for a rebuild: an equal version is replaced.
    pub fn bury_state<D: Document>(&mut self, id: Uuid, version: i64) {
        let tombstone = owners::tombstone(self.now());
        self.writes.push(Write::restated(&self.store.names.alias(D::INDEX), id, version, tombstone));
    }

    /// Replaces all documents of an account with tombstones, permanently: no event restores one.
    pub fn erase(&mut self, owner: Uuid) {
        self.writes.push(owners::mark(&self.store.names, owner, self.now()));
        self.erased.insert(owner, 0);
    }

    /// Does the same, and then sends a confirmation with the number of documents: see [`confirm`].
    ///
    /// # Errors
    /// Fails with a bug if there is no current message.
    pub fn erase_and_confirm<E: Event>(
        &mut self,
        owner: Uuid,
        event: impl FnOnce(u64) -> E + Send + Sync + 'static,
    ) -> Result<(), Failure> {
        self.confirmations.push(Confirmation::of(&self.work, owner, event)?);
        self.erase(owner);
        Ok(())
    }

    /// The current time of the service's clock.
    pub fn now(&self) -> DateTime<Utc> {
        self.work.service().environment.now()
    }

    /// Replaces documents of marked accounts with tombstones: see [`owners`].
    async fn honour_marks(&mut self) -> Result<(), StoreError> {
        let now = self.now();
        let Elasticsearch { client, names, plans, .. } = &self.store;
        for (owner, buried) in &mut self.erased {
            for plan in *plans {
                *buried += owners::bury_all_of(client, &names.alias(plan.name), &json!([owner]), now).await?;
            }
        }
        let owners: Vec<Uuid> = self.written.keys().copied().collect();
        if owners.is_empty() {
            return Ok(());
        }
        for owner in owners::erased_of(client, names, &owners).await? {
            for (index, id) in self.written.get(&owner).into_iter().flatten() {
                owners::bury(client, &names.alias(index), std::iter::once(*id), now).await?;
            }
        }
        Ok(())
    }
}

impl Transaction for Index {
    fn unit_of_work(&self) -> &UnitOfWork {
        &self.work
    }

    fn unit_of_work_mut(&mut self) -> &mut UnitOfWork {
        &mut self.work
    }

    /// Always true: the documents' versions replace the inbox. A redelivered message is written again, finds its own
    /// version or a newer one, and changes nothing.
    fn is_new(&self, _: Uuid) -> bool {
        true
    }

    async fn lock_cursors(&mut self, _: &[String]) -> Result<Vec<(String, i64)>, StoreError> {
        Err(StoreError::broken("elasticsearch does not support subject cursors"))
    }

    async fn advance_cursors(&mut self, _: &[(String, i64)]) -> Result<(), StoreError> {
        Err(StoreError::broken("elasticsearch does not support subject cursors"))
    }

    /// Removes the message when the transaction commits. There is no lock: another replica may handle it as well, which
    /// does no harm.
    async fn take_waiting(&mut self, message: Uuid) -> Result<Option<SetAside>, StoreError> {
        let Some((waiting, seen)) = self.store.waiting().find_due(message).await? else { return Ok(None) };
        self.removals.push(Write::removal(&self.store.names.alias(SET_ASIDE), message, &seen));
        Ok(Some(waiting))
    }

    async fn first_reply(&mut self, _: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        Err(only_reads())
    }

    async fn keep_reply(&mut self, _: Uuid, _: &[u8]) -> Result<(), StoreError> {
        Err(only_reads())
    }

    /// Sends the writes, then performs the steps that must follow them. A crash in between leaves the message
    /// unacknowledged; it is handled again with both steps.
    async fn commit(mut self) -> Result<(), StoreError> {
        bulk::send(&self.store.client, std::mem::take(&mut self.writes)).await?;
        self.honour_marks().await?;
        confirm::send(self.work.service(), std::mem::take(&mut self.confirmations), &self.erased).await?;
        bulk::send(&self.store.client, std::mem::take(&mut self.removals)).await
    }

    async fn rollback(self) {}
}

fn only_reads() -> StoreError {
    StoreError::broken("a service that keeps its data in Elasticsearch supports only read requests")
}
