//! Counts handled messages, and measures their rate.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use tokio::sync::Notify;

/// Counts up to an expected number. Clones share the count.
#[derive(Clone)]
pub struct Counter(Arc<Inner>);

struct Inner {
    awaited: usize,
    seen: AtomicUsize,
    began: OnceLock<Instant>,
    ended: OnceLock<Instant>,
    done: Notify,
}

impl Counter {
    /// A counter that expects this many messages.
    pub fn of(awaited: usize) -> Self {
        let (began, ended) = (OnceLock::new(), OnceLock::new());
        Self(Arc::new(Inner { awaited, seen: AtomicUsize::new(0), began, ended, done: Notify::new() }))
    }

    /// Counts one message.
    pub fn count(&self) {
        self.0.began.get_or_init(Instant::now);
        if self.0.seen.fetch_add(1, Ordering::Relaxed) + 1 == self.0.awaited {
            self.0.ended.get_or_init(Instant::now);
            self.0.done.notify_one();
        }
    }

    /// Waits for the last message. Returns messages per second from the first to the last.
    pub async fn rate(&self) -> f64 {
        self.0.done.notified().await;
        let (began, ended) = (self.0.began.get_or_init(Instant::now), self.0.ended.get_or_init(Instant::now));
        self.0.awaited as f64 / ended.duration_since(*began).as_secs_f64()
    }
}
