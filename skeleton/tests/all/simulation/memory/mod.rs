//! An in-memory store with the transactions and locks of the real ones, for any number of replicas.

mod decisions;
mod delays;
mod outbox;
pub mod tables;
mod tx;

use std::sync::{Arc, Mutex, MutexGuard};

use chrono::TimeDelta;
use skeleton::{
    ServiceContext, StoreError,
    failure::StoreErrorKind,
    store::{Counts, CursorsToCheck, Filter, SetAside, State, Store, UnitOfWork},
};
use tokio::sync::Notify;
use uuid::Uuid;

use self::tables::{Lock, Tables};
pub use self::tx::Tx;
use super::{
    ledger::Ledger,
    time::locked,
    weather::{Bug, Life},
};

/// How long a transaction waits for another before it fails with a conflict.
const LONGEST_WAIT: std::time::Duration = std::time::Duration::from_secs(10);

/// A database, which all replicas of a service share.
pub struct Database {
    /// The service that owns it.
    pub service: &'static str,
    tables: Mutex<Tables>,
    released: Notify,
    is_away: std::sync::atomic::AtomicBool,
    ledger: Arc<Ledger>,
}

/// A replica's connection to a database. When the last clone is dropped, its session ends.
#[derive(Clone)]
pub struct Memory {
    database: Arc<Database>,
    life: Life,
    session: Arc<Session>,
    wakeup: Arc<Notify>,
}

struct Session {
    database: Arc<Database>,
    number: u64,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.database.end_session(self.number);
    }
}

impl Database {
    /// An empty database.
    pub fn of(service: &'static str, ledger: &Arc<Ledger>) -> Arc<Self> {
        Arc::new(Self {
            service,
            tables: Mutex::default(),
            released: Notify::new(),
            is_away: false.into(),
            ledger: ledger.clone(),
        })
    }

    /// The ledger of its commits.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// All tables. No task may wait while it holds them.
    pub fn tables(&self) -> MutexGuard<'_, Tables> {
        locked(&self.tables)
    }

    /// Makes it unavailable, or available again.
    pub fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, std::sync::atomic::Ordering::Relaxed);
    }

    /// Closes the session that has the right to relay.
    pub fn cut_relay(&self) {
        let relaying = self.tables().relaying;
        if let Some(session) = relaying {
            self.end_session(session);
        }
    }

    fn end_session(&self, session: u64) {
        let mut tables = self.tables();
        tables.windows.remove(&session);
        if tables.relaying == Some(session) {
            tables.relaying = None;
        }
    }

    fn end(&self, tx: u64) {
        self.tables().unlock_all_of(tx);
        self.released.notify_waiters();
    }
}

impl Memory {
    /// A replica's connection.
    pub fn connected(database: &Arc<Database>, life: Life) -> Self {
        let number = database.tables().next_number();
        let session = Arc::new(Session { database: database.clone(), number });
        Self { database: database.clone(), life, session, wakeup: Arc::default() }
    }

    fn has(&self, bug: Bug) -> bool {
        self.life.weather.has(bug)
    }

    /// Sends a statement. The store may not answer.
    async fn ask(&self, what: &str) -> Result<(), StoreError> {
        self.life.step(what).await;
        if self.database.is_away.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(StoreError::unavailable("memory: no answer"));
        }
        Ok(())
    }

    /// Waits until a transaction has a lock.
    async fn lock(&self, lock: Lock, tx: u64) -> Result<(), StoreError> {
        let too_long = self.life.environment.sleep(LONGEST_WAIT);
        tokio::pin!(too_long);
        loop {
            let released = self.database.released.notified();
            if self.database.tables().try_lock(&lock, tx) {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = released => {}
                () = &mut too_long => {
                    let text = format!("memory: another transaction has had {lock:?} for too long");
                    return Err(StoreError::new(StoreErrorKind::Conflict, text));
                }
            }
        }
    }
}

impl Store for Memory {
    const EXPIRING: &'static [&'static str] = &["inbox"];

    type Tx = Tx;

    async fn begin(&self, service: &Arc<ServiceContext>, inbox_ids: &[Uuid]) -> Result<Tx, StoreError> {
        self.ask("begins a transaction").await?;
        Tx::begin(self.clone(), UnitOfWork::new(service.clone()), inbox_ids).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.ask("asks whether the store answers").await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.ping().await
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        self.ask("has no migrations to run").await
    }

    async fn failures_of(&self, message: Uuid) -> Result<u32, StoreError> {
        self.ask("asks how often a message failed").await?;
        Ok(self.database.tables().set_aside.get(&message).map_or(0, |kept| kept.attempts))
    }

    async fn set_aside(&self, message: &SetAside) -> Result<(), StoreError> {
        self.ask("sets a message aside").await?;
        let writer = self.database.tables().next_number();
        self.lock(Lock::SetAside(message.message), writer).await?;
        if !self.has(Bug::SetAsideNotKept) {
            self.database.tables().keep(message);
            self.database.ledger.kept(self.database.service, message.message);
        }
        self.database.end(writer);
        self.life.step("has set a message aside").await;
        if self.life.strikes(|odds| odds.reply_lost) {
            return Err(StoreError::unavailable("memory: the reply is lost"));
        }
        Ok(())
    }

    async fn forget_waiting(&self, message: Uuid) -> Result<(), StoreError> {
        self.ask("removes a waiting message").await?;
        let writer = self.database.tables().next_number();
        self.lock(Lock::SetAside(message), writer).await?;
        let mut tables = self.database.tables();
        if tables.set_aside.get(&message).is_some_and(|kept| kept.state == State::Waiting) {
            tables.set_aside.remove(&message);
        }
        drop(tables);
        self.database.end(writer);
        Ok(())
    }

    async fn due(
        &self,
        queue: &str,
        lines: &CursorsToCheck,
        except: &[String],
        limit: i64,
    ) -> Result<Vec<Uuid>, StoreError> {
        self.ask("looks for due messages").await?;
        let now = self.life.environment.now();
        let tables = self.database.tables();
        let is_due = |kept: &&SetAside| {
            kept.queue == queue
                && !except.contains(&kept.name)
                && is_in(lines, kept)
                && tables.is_due(kept, now)
                && !(kept.state == State::Behind && self.has(Bug::BehindNeverDue))
        };
        let mut due: Vec<_> =
            tables.set_aside.values().filter(is_due).map(|kept| (kept.due_at, kept.message)).collect();
        due.sort();
        due.truncate(usize::try_from(limit).unwrap_or(0));
        Ok(due.into_iter().map(|(_, message)| message).collect())
    }

    async fn list_set_aside(&self, filter: &Filter, limit: i64) -> Result<Vec<SetAside>, StoreError> {
        self.ask("lists what is set aside").await?;
        Ok(decisions::fitting(&self.database.tables(), filter, limit))
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.ask("counts").await?;
        let (tables, now) = (self.database.tables(), self.life.environment.now());
        let age = tables.outbox.keys().next().map(|oldest| now - tables.written_at[oldest]);
        let of = |state| tables.set_aside.values().filter(|kept| kept.state == state).count() as i64;
        Ok(Counts {
            outbox: tables.outbox.len() as i64,
            outbox_age_seconds: age.map_or(0.0, TimeDelta::as_seconds_f64),
            waiting: of(State::Waiting),
            behind: of(State::Behind),
            parked: of(State::Parked),
        })
    }

    async fn may_clean_up(&self, _: &str, _: std::time::Duration) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn clean_up(&self, _: &str, limit: i64) -> Result<u64, StoreError> {
        self.ask("cleans up").await?;
        let (mut tables, now) = (self.database.tables(), self.life.environment.now());
        let old = tables.inbox.iter().filter(|(_, entry)| now - entry.taken_in_at > TimeDelta::days(14));
        let old: Vec<_> = old.map(|(id, _)| *id).take(usize::try_from(limit).unwrap_or(0)).collect();
        old.iter().for_each(|id| drop(tables.inbox.remove(id)));
        Ok(old.len() as u64)
    }
}

/// Whether a message is examined: one that waits only behind these cursors.
fn is_in(lines: &CursorsToCheck, kept: &SetAside) -> bool {
    match (lines, &kept.place) {
        (CursorsToCheck::These(lines), Some(place)) if kept.state == State::Behind => lines.contains(&place.line),
        _ => true,
    }
}
