//! The relay: sends what transactions have left in the outbox, and forgets it when the broker has it.
//!
//! It promises: what is committed is published at least once, in the order of the outbox for each subject, and
//! nothing is forgotten before its own confirm. A message that no queue takes is counted and kept: the history takes
//! every event, whoever listens, and a job has its queue, so it is the topology that is missing.

use std::{sync::Arc, time::Duration};

use metrics::counter;
use tracing::{info, warn};

use super::{Outcome, Outgoing, Publisher};
use crate::{
    failure::StoreError,
    stop::Stop,
    store::{Outbox, OutboxRow, in_all_versions},
    surroundings::Surroundings,
};

/// How long the relay sleeps when nobody wakes it: also how soon a replica takes over from one that died.
const POLL: Duration = Duration::from_millis(500);

/// The wait after trouble.
const PAUSE: Duration = Duration::from_millis(250);

/// Sends the outbox of one store.
pub struct Relay<S, P> {
    store: S,
    publisher: Arc<P>,
    window: i64,
    surroundings: Surroundings,
}

impl<S: Outbox, P: Publisher> Relay<S, P> {
    /// A relay that has at most `window` messages unconfirmed.
    pub fn new(store: S, publisher: Arc<P>, window: i64) -> Self {
        Self { store, publisher, window, surroundings: Surroundings::system() }
    }

    /// The same, with another clock to wait by.
    pub fn in_surroundings(self, surroundings: Surroundings) -> Self {
        Self { surroundings, ..self }
    }

    /// Relays until told to stop, and then once more what is there, as far as the broker takes it. What is left is for
    /// another replica.
    pub async fn run(self, stop: Stop) {
        self.relay_until(stop).await;
        self.store.resign().await;
    }

    async fn relay_until(&self, stop: Stop) {
        let mut troubled = false;
        loop {
            let turn = self.turn().await;
            if let Err(error) = &turn
                && !std::mem::replace(&mut troubled, true)
            {
                warn!(%error, "the outbox cannot be read: trying until it can");
            }
            if turn.is_ok() && std::mem::take(&mut troubled) {
                info!("the outbox can be read again");
            }
            let wait = match turn {
                Ok(Turn::Sent) => continue,
                Ok(Turn::Empty | Turn::Elsewhere) if stop.is_stopped() => return,
                Ok(Turn::Empty) => POLL,
                Ok(Turn::Elsewhere) => POLL,
                Ok(Turn::Stuck) | Err(_) if stop.is_stopped() => return,
                Ok(Turn::Stuck) | Err(_) => PAUSE,
            };
            tokio::select! {
                biased;
                () = self.store.bell().notified() => {}
                () = self.surroundings.sleep(wait) => {}
                () = stop.stopped() => {}
            }
        }
    }

    /// Sends one window.
    async fn turn(&self) -> Result<Turn, StoreError> {
        let Some(rows) = self.store.next(self.window).await? else { return Ok(Turn::Elsewhere) };
        if rows.is_empty() {
            return Ok(Turn::Empty);
        }
        let copies: Vec<Vec<Outgoing>> = rows.iter().cloned().map(in_all_versions).collect();
        let counts: Vec<usize> = copies.iter().map(Vec::len).collect();
        let mut outcomes = self.publisher.publish(copies.into_iter().flatten().collect()).await.into_iter();
        let mut done = Vec::with_capacity(rows.len());
        for (row, count) in rows.iter().zip(counts) {
            // Each is looked at, so that each is counted.
            let left = outcomes.by_ref().take(count).filter(|outcome| !is_done(row, *outcome)).count();
            if left == 0 {
                done.push(row.position);
            }
        }
        counter!("outbox_relayed_total").increment(done.len() as u64);
        if !done.is_empty() {
            self.store.remove(&done).await?;
        }
        Ok(if done.len() == rows.len() { Turn::Sent } else { Turn::Stuck })
    }
}

enum Turn {
    /// All of the window is with the broker.
    Sent,
    /// Some of it is not, or not for certain.
    Stuck,
    /// There was nothing to send.
    Empty,
    /// Another replica relays.
    Elsewhere,
}

fn is_done(row: &OutboxRow, outcome: Outcome) -> bool {
    match outcome {
        Outcome::Confirmed => true,
        Outcome::Unknown => false,
        Outcome::Unroutable => {
            counter!("messages_unroutable_total", "name" => row.envelope.name.clone()).increment(1);
            warn!(message.name = row.envelope.name, "no queue takes this message: apply the topology");
            false
        }
    }
}
