//! The open streams of this process, and their wake-ups.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use metrics::gauge;
use skeleton::{Postgres, Problem, StoreError};
use tokio::sync::watch;
use uuid::Uuid;

use crate::store;

/// The most streams that an account may have open at a time.
const STREAMS_PER_ACCOUNT: usize = 10;

/// The accounts with open streams. Clones share the state.
#[derive(Clone, Default)]
pub struct Live(Arc<Mutex<HashMap<Uuid, Listeners>>>);

/// The open streams of one account.
struct Listeners {
    count: usize,
    newest: watch::Sender<i64>,
}

/// An open stream's slot; it is released on drop.
pub struct Listening {
    account_id: Uuid,
    live: Live,
    newest: watch::Receiver<i64>,
}

impl Live {
    /// No open streams.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a stream.
    ///
    /// # Errors
    /// 429 if the account has too many.
    pub fn listen(&self, account_id: Uuid) -> Result<Listening, Problem> {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let listeners =
            accounts.entry(account_id).or_insert_with(|| Listeners { count: 0, newest: watch::Sender::new(0) });
        if listeners.count >= STREAMS_PER_ACCOUNT {
            let detail = format!("an account may have at most {STREAMS_PER_ACCOUNT} open streams: close one");
            return Err(Problem { retry_after: Some(5), ..Problem::new(429, "too-many-streams", detail) });
        }
        listeners.count += 1;
        gauge!("streams_open").increment(1);
        Ok(Listening { account_id, live: self.clone(), newest: listeners.newest.subscribe() })
    }

    /// Wakes an account's streams, because the row with this number is committed.
    pub fn wake(&self, account_id: Uuid, id: i64) {
        let accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(listeners) = accounts.get(&account_id) else { return };
        listeners.newest.send_if_modified(|newest| {
            let is_news = id > *newest;
            *newest = id.max(*newest);
            is_news
        });
    }

    /// Looks for rows that other replicas have committed.
    pub async fn catch_up(&self, postgres: &Postgres) -> Result<(), StoreError> {
        let accounts: Vec<Uuid> = self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect();
        if accounts.is_empty() {
            return Ok(());
        }
        for (account_id, newest) in store::newest_of(postgres, &accounts).await? {
            self.wake(account_id, newest);
        }
        Ok(())
    }
}

impl Listening {
    /// The newest number known to be committed. All smaller ones are committed as well.
    pub fn newest(&mut self) -> i64 {
        *self.newest.borrow_and_update()
    }

    /// Waits until there is a row after this number.
    pub async fn beyond(&mut self, id: i64) {
        // The sender lives as long as this stream is open.
        let _ = self.newest.wait_for(|newest| *newest > id).await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut accounts = self.live.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(listeners) = accounts.get_mut(&self.account_id) else { return };
        listeners.count -= 1;
        gauge!("streams_open").decrement(1);
        if listeners.count == 0 {
            accounts.remove(&self.account_id);
        }
    }
}
