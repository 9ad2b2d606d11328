//! A store that keeps nothing, so that the bench measures the messaging alone.

use std::{future::Future, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use skeleton::{
    Settings, SettingsError, StoreError,
    store::{
        Counts, CursorsToCheck, Decision, Decisions, Filter, Group, ServiceContext, SetAside, Signed, Store,
        StoreBuilder, Transaction, UnitOfWork,
    },
    testing::{Provisioned, TestStore},
};
use uuid::Uuid;

/// A store that keeps nothing.
#[derive(Clone)]
pub struct NullStore;

/// A transaction of the null store.
pub struct NullTx(UnitOfWork);

impl StoreBuilder for NullStore {
    type Store = Self;

    fn open(&self, _: &Settings) -> Result<Self, SettingsError> {
        Ok(Self)
    }
}

impl Store for NullStore {
    const EXPIRING: &'static [&'static str] = &[];

    type Tx = NullTx;

    async fn begin(&self, service: &Arc<ServiceContext>, _: &[Uuid]) -> Result<NullTx, StoreError> {
        Ok(NullTx(UnitOfWork::new(service.clone())))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn failures_of(&self, _: Uuid) -> Result<u32, StoreError> {
        Ok(0)
    }

    async fn set_aside(&self, kept: &SetAside) -> Result<(), StoreError> {
        Err(StoreError::broken(format!("the null store cannot set messages aside: {}", kept.reason)))
    }

    async fn forget_waiting(&self, _: Uuid) -> Result<(), StoreError> {
        Ok(())
    }

    async fn due(&self, _: &str, _: &CursorsToCheck, _: &[String], _: i64) -> Result<Vec<Uuid>, StoreError> {
        Ok(Vec::new())
    }

    async fn list_set_aside(&self, _: &Filter, _: i64) -> Result<Vec<SetAside>, StoreError> {
        Ok(Vec::new())
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        Ok(Counts::default())
    }

    async fn may_clean_up(&self, _: &str, _: Duration) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn clean_up(&self, _: &str, _: i64) -> Result<u64, StoreError> {
        Ok(0)
    }
}

impl Decisions for NullStore {
    async fn ids_of(&self, _: &Filter, _: i64) -> Result<Vec<Uuid>, StoreError> {
        Ok(Vec::new())
    }

    async fn groups_of(&self, _: &Filter, _: i64) -> Result<Vec<Group>, StoreError> {
        Ok(Vec::new())
    }

    async fn redrive(&self, _: &[Uuid], _: &Signed) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn drop_parked(&self, _: &[Uuid], _: &Signed) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn edit(&self, _: &SetAside, _: &[u8], _: &Signed) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn trail(&self, _: Option<Uuid>, _: i64) -> Result<Vec<Decision>, StoreError> {
        Ok(Vec::new())
    }

    async fn clock(&self) -> Result<DateTime<Utc>, StoreError> {
        Ok(Utc::now())
    }

    async fn forget_decisions(&self, _: DateTime<Utc>, _: i64) -> Result<u64, StoreError> {
        Ok(0)
    }
}

impl Transaction for NullTx {
    fn unit_of_work(&self) -> &UnitOfWork {
        &self.0
    }

    fn unit_of_work_mut(&mut self) -> &mut UnitOfWork {
        &mut self.0
    }

    fn is_new(&self, _: Uuid) -> bool {
        true
    }

    async fn lock_cursors(&mut self, _: &[String]) -> Result<Vec<(String, i64)>, StoreError> {
        Ok(Vec::new())
    }

    async fn advance_cursors(&mut self, _: &[(String, i64)]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn take_waiting(&mut self, _: Uuid) -> Result<Option<SetAside>, StoreError> {
        Ok(None)
    }

    async fn first_reply(&mut self, _: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    async fn keep_reply(&mut self, _: Uuid, _: &[u8]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn commit(self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn rollback(self) {}
}

impl TestStore for NullStore {
    async fn provision(name: &str) -> Provisioned {
        Provisioned { settings: Vec::new(), guard: None, name: name.to_owned() }
    }

    fn remove(_: Provisioned) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}
