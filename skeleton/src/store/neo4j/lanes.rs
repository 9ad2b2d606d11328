//! The connections, each used by one caller at a time.
//!
//! The client library's own pool takes back every connection, even one that hangs or holds an open transaction with its
//! locks. So each connection is a pool of one. A connection that is not returned explicitly is closed: the server then
//! ends its transaction at once.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use neo4rs::{Config, Graph, query};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    error::{store_error, unavailable},
    migrations,
};
use crate::{
    failure::{StoreError, StoreErrorKind},
    store::target::Target,
};

/// The shortest time limit for checking that the server responds at all. A server that is slow with queries is slow with
/// this as well, so it has half of their limit if that is longer.
const PROBE: Duration = Duration::from_secs(1);

/// How long no login is attempted after the server has refused one. Longer than the server's lock, 5 s.
const AFTER_REFUSAL: Duration = Duration::from_secs(15);

/// A limited number of connections.
pub(super) struct Lanes {
    config: Config,
    target: Target,
    refused: Mutex<Option<(Instant, StoreError)>>,
    idle: Mutex<Vec<Graph>>,
    probe: Mutex<Option<Graph>>,
    slots: Arc<Semaphore>,
    size: usize,
    limit: Duration,
}

/// One connection. It is closed when dropped.
pub(super) struct Lane {
    pub graph: Graph,
    lanes: Arc<Lanes>,
    _slot: OwnedSemaphorePermit,
}

impl Lanes {
    /// Creates a pool of at most `size` connections, configured by `config`; `limit` is the time limit of a query.
    pub fn new(config: Config, target: Target, size: usize, limit: Duration) -> Self {
        Self {
            config,
            target,
            refused: Mutex::default(),
            idle: Mutex::default(),
            probe: Mutex::default(),
            slots: Arc::new(Semaphore::new(size)),
            size,
            limit,
        }
    }

    /// Takes a connection as soon as one is free.
    pub async fn take(self: &Arc<Self>) -> Result<Lane, StoreError> {
        let slot = self.slots.clone().acquire_owned().await.map_err(unavailable)?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let graph = match idle {
            Some(graph) => graph,
            None => self.connect()?,
        };
        Ok(Lane { graph, lanes: self.clone(), _slot: slot })
    }

    /// Runs a query with a time limit. Boxed, because the library's futures are deep and large.
    pub async fn within<T>(&self, asking: BoxFuture<'_, Result<T, StoreError>>) -> Result<T, StoreError> {
        let begun = Instant::now();
        // The library has a limit of its own for each part of an answer. On a busy machine it may be noticed first.
        let is_late = |error: &StoreError| error.kind == StoreErrorKind::Unavailable && begun.elapsed() >= self.limit;
        match tokio::time::timeout(self.limit, asking).await {
            Ok(Err(error)) if is_late(&error) => {}
            Ok(answer) => return answer.map_err(|error| self.located(error)),
            Err(_) => {}
        }
        let text = format!("neo4j: no answer within {} ms", self.limit.as_millis());
        // If the server responds to another query, it is available: only this query took too long.
        let kind = if self.answers().await { StoreErrorKind::Conflict } else { StoreErrorKind::Unavailable };
        Err(self.located(StoreError::new(kind, text)))
    }

    /// The time of the first migration, if one has run and the server responds. Asks over a separate connection: if
    /// queries use all others, the server does not appear to be unavailable. A connection without a response is closed.
    pub async fn first_migration(&self) -> Result<Option<String>, StoreError> {
        let kept = self.probe.lock().unwrap_or_else(PoisonError::into_inner).take();
        let graph = match kept {
            Some(graph) => graph,
            None => self.connect()?,
        };
        let asking = Box::pin(async {
            let first = "MATCH (done:Migration {name: $name}) RETURN toString(done.applied_at) AS first";
            let mut rows = graph.execute(query(first).param("name", migrations::first())).await?;
            rows.next().await?.map(|row| row.get("first")).transpose().map_err(neo4rs::Error::from)
        });
        let asked = tokio::time::timeout(self.limit, asking).await;
        let answer = match asked {
            Ok(answer) => answer.map_err(store_error),
            Err(_) => Err(unavailable(format!("no answer within {} ms", self.limit.as_millis()))),
        };
        let first = answer.map_err(|error| self.located(error))?;
        *self.probe.lock().unwrap_or_else(PoisonError::into_inner) = Some(graph);
        Ok(first)
    }

    /// Prepares a connection; it is made with the first query. After a refused login, no attempt is made for a while: the
    /// server locks a user after some wrong passwords, and the lock would hide the cause.
    fn connect(&self) -> Result<Graph, StoreError> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match refused {
            Some((at, error)) if at.elapsed() < AFTER_REFUSAL => Err(error),
            _ => Graph::connect(self.config.clone()).map_err(store_error),
        }
    }

    /// Adds the server to an error that concerns all queries, and remembers a refused login.
    fn located(&self, error: StoreError) -> StoreError {
        if error.is_refused() {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            return match &*refused {
                // Returned by an attempt that was not made.
                Some((at, known)) if at.elapsed() < AFTER_REFUSAL => known.clone(),
                _ => refused.insert((Instant::now(), error.with_detail(self.target.login()))).1.clone(),
            };
        }
        match error.kind {
            StoreErrorKind::Unavailable => error.with_detail(self.target.address()),
            StoreErrorKind::Conflict | StoreErrorKind::Unstorable | StoreErrorKind::Broken => error,
        }
    }

    async fn answers(&self) -> bool {
        let Ok(graph) = self.connect() else { return false };
        let asking = Box::pin(graph.run(query("RETURN 1")));
        matches!(tokio::time::timeout(PROBE.max(self.limit / 2), asking).await, Ok(Ok(())))
    }

    /// The number of connections in use, and the maximum.
    pub fn in_use(&self) -> (usize, usize) {
        (self.size - self.slots.available_permits(), self.size)
    }
}

impl Lane {
    /// Returns the connection. Nothing may be open on it.
    pub fn give_back(self) {
        self.lanes.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.graph);
    }
}
