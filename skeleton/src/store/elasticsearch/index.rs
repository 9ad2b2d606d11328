//! What a handler writes to: writes are collected, and sent in one call when all handlers of the batch are done.

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

/// Something that can be found.
pub trait Document: Serialize + Send + Sync {
    /// The index it is in, as its [`super::IndexPlan`] names it.
    const INDEX: &'static str;

    /// The account it belongs to. Nobody else finds it, and it goes when the account is erased.
    fn owner(&self) -> Uuid;
}

/// The writes of one batch of messages. Nothing is sent before the commit, and nothing can be published with it but
/// that an account is erased.
pub struct Index {
    store: Elasticsearch,
    work: UnitOfWork,
    writes: Vec<Write>,
    /// Who owns the documents that are written: to be looked at again after the write.
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

    /// Where it writes to.
    pub(super) fn store(&self) -> &Elasticsearch {
        &self.store
    }

    /// The number of the event that is handled among those about its subject.
    ///
    /// # Errors
    /// Rejects a message without one.
    pub fn version(&self) -> Result<i64, Failure> {
        self.work.sequence()
    }

    /// Writes a document, unless a newer version of it, or its tombstone, is there.
    ///
    /// # Errors
    /// Where the document cannot be written as a JSON object.
    pub fn put<D: Document>(&mut self, id: Uuid, version: i64, document: &D) -> Result<(), Failure> {
        let Value::Object(mut fields) = serde_json::to_value(document).map_err(Failure::bug)? else {
            return Err(Failure::bug(format!("a document of {} is no JSON object", D::INDEX)));
        };
        fields.insert("owner_id".to_owned(), json!(document.owner()));
        self.writes.push(Write::versioned(&self.store.names.alias(D::INDEX), id, version, Value::Object(fields)));
        self.written.entry(document.owner()).or_default().push((D::INDEX, id));
        Ok(())
    }

    /// Leaves a tombstone in a document's place, unless a newer version of it is there.
    pub fn bury<D: Document>(&mut self, id: Uuid, version: i64) {
        let tombstone = owners::tombstone(self.now());
        self.writes.push(Write::versioned(&self.store.names.alias(D::INDEX), id, version, tombstone));
    }

    /// Leaves tombstones in the place of all documents of an account, for good: no event brings one back.
    pub fn erase(&mut self, owner: Uuid) {
        self.writes.push(owners::mark(&self.store.names, owner, self.now()));
        self.erased.insert(owner, 0);
    }

    /// The same, and tells so when it is done, with how many documents it was: see [`confirm`].
    ///
    /// # Errors
    /// A bug where no message is handled.
    pub fn erase_and_confirm<E: Event>(
        &mut self,
        owner: Uuid,
        event: impl FnOnce(u64) -> E + Send + Sync + 'static,
    ) -> Result<(), Failure> {
        self.confirmations.push(Confirmation::of(&self.work, owner, event)?);
        self.erase(owner);
        Ok(())
    }

    /// The time this work is done at.
    pub fn now(&self) -> DateTime<Utc> {
        self.work.service().environment.now()
    }

    /// Buries what the marks of erased accounts ask for: see [`owners`].
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

    /// Always: the documents' versions are the inbox. What comes again is written again, finds its own version or a
    /// newer one there, and changes nothing.
    fn is_new(&self, _: Uuid) -> bool {
        true
    }

    async fn lock_cursors(&mut self, _: &[String]) -> Result<Vec<(String, i64)>, StoreError> {
        Err(StoreError::broken("elasticsearch keeps no lines"))
    }

    async fn advance_cursors(&mut self, _: &[(String, i64)]) -> Result<(), StoreError> {
        Err(StoreError::broken("elasticsearch keeps no lines"))
    }

    /// Takes the message out when the transaction commits. Nothing is locked: another replica may handle it as well,
    /// which does no harm.
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

    /// Sends the writes, then does what can only be done after them. A crash between the two leaves the message
    /// unacknowledged; handled again, it does both again.
    async fn commit(mut self) -> Result<(), StoreError> {
        bulk::send(&self.store.client, std::mem::take(&mut self.writes)).await?;
        self.honour_marks().await?;
        confirm::send(self.work.service(), std::mem::take(&mut self.confirmations), &self.erased).await?;
        bulk::send(&self.store.client, std::mem::take(&mut self.removals)).await
    }

    async fn rollback(self) {}
}

fn only_reads() -> StoreError {
    StoreError::broken("a service that keeps its data in Elasticsearch answers only requests that read")
}
