//! Feeds past events to a service's event handlers.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::warn;

use super::{Range, merge::Merge};
use crate::{
    failure::StoreError,
    messaging::{
        Deliveries, Incoming,
        consumer::{Queue, consume},
        rabbit::{BrokerError, Link, Past},
    },
    stop::Stop,
    store::Bookmarks,
};

/// A replay of past events of some producers through a service's event handlers.
///
/// Events are handled as from the queue: inbox, retries, parking, older versions. The position is kept in the store: if
/// the replay is stopped or killed, it continues from there.
pub struct Replay<S: Bookmarks> {
    /// The queue that it stands in for.
    pub queue: Arc<Queue<S>>,
    /// The connection that consumes.
    pub link: Link,
    /// The producers of the events.
    pub producers: Vec<String>,
    /// The selection of events.
    pub range: Range,
    /// The name under which its position is kept.
    pub bookmark: &'static str,
    /// The number of events that share a transaction.
    pub batch: usize,
    /// Receives the progress.
    pub progress: watch::Sender<Replayed>,
}

/// The progress of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// The number of events read.
    pub read: u64,
    /// The number of selected events that were handled or set aside.
    pub handled: u64,
    /// The approximate number of events still to be read.
    pub remaining: u64,
    /// Whether it is finished.
    pub finished: bool,
    /// The producers whose history begins after the requested time, and when: nothing older of theirs is read.
    pub begin_later: BTreeMap<String, DateTime<Utc>>,
}

/// Why a replay failed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Another replay was begun and not finished.
    #[error("a replay from {} is not finished: give the same times and names to continue it, or --restart", .0.from)]
    Unfinished(Box<Range>),
    /// A history cannot be read.
    #[error("the history cannot be read: {0}")]
    History(BrokerError),
    /// The position cannot be saved.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The saved position of a replay.
#[derive(Serialize, Deserialize)]
struct Bookmark {
    range: Range,
    /// The next number of each stream.
    positions: BTreeMap<String, u64>,
}

impl<S: Bookmarks> Replay<S> {
    /// Replays to the end of the selection, or until stopped. The position is kept until the bookmark is dropped.
    ///
    /// # Errors
    /// If another replay is not finished, or a history or the store cannot be read.
    pub async fn run(self, stop: Stop) -> Result<Replayed, ReplayError> {
        let kept = self.queue.store.bookmark(self.bookmark).await?;
        let positions = match kept.map(serde_json::from_value::<Bookmark>).transpose().map_err(StoreError::broken)? {
            Some(kept) if kept.range != self.range => return Err(ReplayError::Unfinished(Box::new(kept.range))),
            Some(kept) => kept.positions,
            None => BTreeMap::new(),
        };
        let merge = Merge::open(&self.link, &self.producers, self.range.from, &positions).await;
        let merge = merge.map_err(ReplayError::History)?;
        self.progress.send_modify(|replayed| replayed.begin_later = merge.begin_later.clone());
        let fault = Arc::new(Mutex::new(None));
        let (queue, batch, progress) = (self.queue.clone(), self.batch, self.progress.clone());
        let feed = Feed {
            merge,
            replay: self,
            taken: positions.clone(),
            positions,
            handed_out: VecDeque::new(),
            next_tag: 0,
            fault: fault.clone(),
        };
        consume(queue, feed, batch, stop).await;
        let fault = fault.lock().unwrap_or_else(PoisonError::into_inner).take();
        let replayed = progress.borrow().clone();
        fault.map_or(Ok(replayed), |fault| Err(ReplayError::History(fault)))
    }
}

/// Past events as a consumer reads them: as messages that are delivered and acknowledged.
struct Feed<S: Bookmarks> {
    merge: Merge,
    replay: Replay<S>,
    /// The next number to read from each stream.
    taken: BTreeMap<String, u64>,
    /// The next number to handle.
    positions: BTreeMap<String, u64>,
    handed_out: VecDeque<HandedOut>,
    next_tag: u64,
    fault: Arc<Mutex<Option<BrokerError>>>,
}

/// A message that is not acknowledged yet.
struct HandedOut {
    tag: u64,
    stream: String,
    number: u64,
}

impl<S: Bookmarks> Feed<S> {
    /// The next selected event.
    async fn next_meant(&mut self) -> Result<Option<Incoming>, BrokerError> {
        while let Some((stream, Past { number, message })) = self.merge.next().await? {
            let is_meant = message.envelope.as_ref().is_ok_and(|envelope| {
                self.replay.range.holds(envelope) && self.replay.queue.handlers.contains_key(envelope.name.as_str())
            });
            let remaining = self.merge.remaining();
            self.replay
                .progress
                .send_modify(|replayed| (replayed.read, replayed.remaining) = (replayed.read + 1, remaining));
            self.taken.insert(stream.clone(), number + 1);
            if is_meant {
                // Recorded before the next await: from here on the saved position cannot pass this event before it is
                // handled.
                self.next_tag += 1;
                self.handed_out.push_back(HandedOut { tag: self.next_tag, stream, number });
                return Ok(Some(Incoming { tag: self.next_tag, ..message }));
            }
        }
        Ok(None)
    }

    fn fault(&self) -> MutexGuard<'_, Option<BrokerError>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn keep_place(&self) {
        let bookmark = Bookmark { range: self.replay.range.clone(), positions: self.positions.clone() };
        let Ok(bookmark) = serde_json::to_value(bookmark) else { return };
        if let Err(error) = self.replay.queue.store.keep_bookmark(self.replay.bookmark, &bookmark).await {
            warn!(%error, "failed to save the replay position; if interrupted, it continues from an earlier one");
        }
    }
}

impl<S: Bookmarks> Deliveries for Feed<S> {
    async fn next(&mut self, most: usize) -> Vec<Incoming> {
        let mut messages = Vec::with_capacity(most);
        while messages.len() < most && self.fault().is_none() {
            match self.next_meant().await {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => {
                    // An empty batch is the end.
                    self.replay.progress.send_modify(|replayed| replayed.finished = messages.is_empty());
                    break;
                }
                Err(error) => *self.fault() = Some(error),
            }
        }
        messages
    }

    async fn acknowledge_through(&mut self, last: &Incoming) {
        while let Some(done) = self.handed_out.pop_front_if(|handed| handed.tag <= last.tag) {
            self.positions.insert(done.stream, done.number + 1);
            self.replay.progress.send_modify(|replayed| replayed.handled += 1);
        }
        if self.handed_out.is_empty() {
            self.positions = self.taken.clone();
        }
        self.keep_place().await;
    }

    async fn close(&mut self) {
        if self.handed_out.is_empty() {
            self.positions = self.taken.clone();
        }
        self.keep_place().await;
        self.merge.close().await;
    }
}
