//! Ended sessions and erased accounts, whose access tokens are refused before they expire.
//!
//! The table is authoritative. This is a copy in memory, so that requests do not query the table. An event that this
//! replica handles is in the copy upon its commit, another replica's event within a second.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use chrono::{DateTime, Utc};
use skeleton::{
    Postgres, Problem, StoreError,
    http::auth::{AccessClaims, Revocations},
};
use tokio::sync::watch;
use uuid::Uuid;

use crate::store;

const TIMEOUT: Duration = Duration::from_secs(5);

/// What has ended, by session id and by account id.
pub struct Ended {
    until: RwLock<HashMap<Uuid, DateTime<Utc>>>,
    /// The horizon of the last query, once there was one.
    horizon: watch::Sender<Option<String>>,
    changes: watch::Sender<()>,
}

impl Ended {
    /// An empty copy.
    pub fn new() -> Self {
        Self { until: RwLock::default(), horizon: watch::Sender::new(None), changes: watch::Sender::new(()) }
    }

    /// Refuses tokens of this session or account from now on.
    pub fn add(&self, id: Uuid, until: DateTime<Utc>) {
        self.add_all(vec![(id, until)]);
    }

    /// Whether this session or account has ended. Waits until the table has been read once.
    ///
    /// # Errors
    /// 503 while the table cannot be read.
    pub async fn has_ended(&self, session: Uuid, account: Uuid) -> Result<bool, Problem> {
        if self.horizon.borrow().is_none() {
            let mut horizon = self.horizon.subscribe();
            let waiting = tokio::time::timeout(TIMEOUT, horizon.wait_for(Option::is_some)).await;
            waiting
                .map_err(|_| Problem::unavailable("tokens cannot be checked at the moment: try again shortly"))?
                .ok();
        }
        Ok(self.knows(session, account))
    }

    /// Waits until this session or account ends.
    pub async fn until_ended(&self, session: Uuid, account: Uuid) {
        let mut changes = self.changes.subscribe();
        while !self.knows(session, account) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Reads the rows added to the table since the last call, even from transactions that were open for long.
    pub async fn catch_up(&self, postgres: &Postgres) -> Result<(), StoreError> {
        let last = self.horizon.borrow().clone();
        let found = store::ended_since(postgres, last.as_deref()).await?;
        self.add_all(found.ended);
        self.forget_expired(found.looked_at);
        self.horizon.send_replace(Some(found.horizon));
        Ok(())
    }

    fn knows(&self, session: Uuid, account: Uuid) -> bool {
        let until = self.until.read().unwrap_or_else(PoisonError::into_inner);
        until.contains_key(&session) || until.contains_key(&account)
    }

    fn add_all(&self, ended: Vec<(Uuid, DateTime<Utc>)>) {
        let mut until = self.until.write().unwrap_or_else(PoisonError::into_inner);
        let before = until.len();
        until.extend(ended);
        if until.len() > before {
            self.changes.send_replace(());
        }
    }

    fn forget_expired(&self, now: DateTime<Utc>) {
        let mut until = self.until.write().unwrap_or_else(PoisonError::into_inner);
        until.retain(|_, until| *until > now);
    }
}

impl Revocations for Ended {
    async fn is_revoked(&self, claims: &AccessClaims) -> Result<bool, Problem> {
        self.has_ended(claims.session_id, claims.account_id).await
    }
}
