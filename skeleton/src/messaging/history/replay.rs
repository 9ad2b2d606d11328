//! Feeds a service's event handlers from the past.

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

/// The past of some producers on its way through a service's event handlers.
///
/// Goes the way of the queue: inbox, retries, parking, older versions. How far it is, is kept in the store: stopped or
/// killed, it goes on from there.
pub struct Replay<S: Bookmarks> {
    /// The queue that it stands in for.
    pub queue: Arc<Queue<S>>,
    /// The connection that consumes.
    pub link: Link,
    /// Whose events.
    pub producers: Vec<String>,
    /// Which of them.
    pub range: Range,
    /// Under which name its place is kept.
    pub bookmark: &'static str,
    /// How many events share a transaction.
    pub batch: usize,
    /// Where it tells how far it is.
    pub progress: watch::Sender<Replayed>,
}

/// How far a replay is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// How many events were read.
    pub read: u64,
    /// How many of them were meant, and have been handled or set aside.
    pub handled: u64,
    /// How many are still to be read, about.
    pub remaining: u64,
    /// Whether it is done.
    pub finished: bool,
    /// The producers whose history begins after the time that was asked for, and when: nothing older is read of them.
    pub begin_later: BTreeMap<String, DateTime<Utc>>,
}

/// Why a replay came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Another was begun and not finished.
    #[error("a replay from {} is not finished: give the same times and names to go on with it, or --restart", .0.from)]
    Unfinished(Box<Range>),
    /// A history cannot be read.
    #[error("the history cannot be read: {0}")]
    History(BrokerError),
    /// The place cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is kept of a replay's place.
#[derive(Serialize, Deserialize)]
struct Bookmark {
    range: Range,
    /// The next number of each stream.
    positions: BTreeMap<String, u64>,
}

impl<S: Bookmarks> Replay<S> {
    /// Replays until the past is over, or until told to stop. The place stays kept until it is dropped.
    ///
    /// # Errors
    /// Where another replay is not finished, or a history or the store cannot be read.
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

/// The past as a consumer sees it: messages that are handed out and acknowledged.
struct Feed<S: Bookmarks> {
    merge: Merge,
    replay: Replay<S>,
    /// The next number to be taken from each stream.
    taken: BTreeMap<String, u64>,
    /// The next number to be handled.
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
    /// The next event that is meant.
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
                // Noted before anything is waited for: from here on its place is not behind it before it is handled.
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
            warn!(%error, "the place of the replay cannot be kept: should it be cut off, it goes on from an earlier one");
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
                    // None at all is the end.
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
