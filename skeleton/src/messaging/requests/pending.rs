//! The calls that wait for replies.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};
use uuid::Uuid;

use crate::failure::Problem;

/// The body of a reply, or the called service's problem.
pub(super) type Reply = Result<Vec<u8>, Problem>;

/// The calls that wait for replies, by request id. Several calls may share an id: a client repeats a request under its
/// id while the first call still waits. All of them get the first reply. Clones share their state.
#[derive(Clone, Default)]
pub(super) struct PendingReplies {
    calls: Arc<Mutex<HashMap<Uuid, Vec<Waiting>>>>,
    last: Arc<AtomicU64>,
    silence: Arc<watch::Sender<Silence>>,
}

/// Whether the reply queue responds.
#[derive(Default)]
struct Silence {
    /// When the queue was claimed: earlier calls say nothing about it.
    claimed_at: Option<Instant>,
    /// When the first of the calls was made that have timed out since the last reply.
    unanswered: Option<Instant>,
}

/// One call.
struct Waiting {
    call: u64,
    /// The service that was asked: no other may reply.
    asked: &'static str,
    answer: oneshot::Sender<Reply>,
}

/// A call that waits for its reply; dropping it ends the wait of this call alone.
pub(super) struct Pending {
    replies: PendingReplies,
    id: Uuid,
    call: u64,
    reply: oneshot::Receiver<Reply>,
}

impl PendingReplies {
    /// Adds a call that waits for the reply of a service to this request.
    pub(super) fn wait_for(&self, id: Uuid, asked: &'static str) -> Pending {
        let (answer, reply) = oneshot::channel();
        let call = self.last.fetch_add(1, Relaxed);
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.entry(id).or_default().push(Waiting { call, asked, answer });
        Pending { replies: self.clone(), id, call, reply }
    }

    /// Notes that a call made at this time got no reply.
    pub(super) fn timed_out(&self, asked_at: Instant) {
        self.silence.send_if_modified(|silence| {
            let is_earlier = silence.claimed_at.is_some_and(|claimed_at| asked_at < claimed_at);
            if is_earlier || silence.unanswered.is_some() {
                return false;
            }
            silence.unanswered = Some(asked_at);
            true
        });
    }

    /// Notes that a reply queue was claimed.
    pub(super) fn claimed(&self) {
        self.silence.send_replace(Silence { claimed_at: Some(Instant::now()), unanswered: None });
    }

    /// Notes that a reply has arrived.
    pub(super) fn replied(&self) {
        self.silence.send_if_modified(|silence| silence.unanswered.take().is_some());
    }

    /// Waits until a call has timed out, no reply has arrived since it was made, and this was so long ago.
    pub(super) async fn is_silent(&self, long: Duration) {
        let mut silence = self.silence.subscribe();
        loop {
            let first = silence.borrow_and_update().unanswered;
            let wait = async {
                match first {
                    Some(first) => tokio::time::sleep_until(first + long).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wait => return,
                // It is never closed: `self` has the sender.
                _ = silence.changed() => {}
            }
        }
    }

    /// The services that were asked, of the calls that still wait.
    pub(super) fn asked(&self, id: Uuid) -> Vec<&'static str> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.get(&id).into_iter().flatten().map(|waiting| waiting.asked).collect()
    }

    /// Gives the reply of a service to all calls that wait for it.
    pub(super) fn finish(&self, id: Uuid, asked: &str, reply: &Reply) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = calls.remove(&id).unwrap_or_default();
        let (answered, others): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|call| call.asked == asked);
        if !others.is_empty() {
            calls.insert(id, others);
        }
        drop(calls);
        for call in answered {
            // A caller that no longer waits does not need the reply.
            let _ = call.answer.send(reply.clone());
        }
    }
}

impl Pending {
    /// Waits for the reply.
    pub(super) async fn reply(&mut self) -> Reply {
        let reply = (&mut self.reply).await;
        reply.map_err(|_| Problem::unavailable("the request was abandoned: try again"))?
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut calls = self.replies.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = calls.get_mut(&self.id) {
            waiting.retain(|waiting| waiting.call != self.call);
            if waiting.is_empty() {
                calls.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_calls_made_since_the_queue_was_claimed_say_that_it_is_silent() {
        let (replies, long) = (PendingReplies::default(), Duration::from_millis(20));
        let before = Instant::now();
        tokio::time::sleep(Duration::from_millis(1)).await;
        replies.claimed();

        replies.timed_out(before);
        assert!(tokio::time::timeout(10 * long, replies.is_silent(long)).await.is_err(), "an earlier call");
        replies.timed_out(Instant::now());
        replies.replied();
        assert!(tokio::time::timeout(10 * long, replies.is_silent(long)).await.is_err(), "a reply has arrived since");
        let asked_at = Instant::now();
        replies.timed_out(asked_at);
        replies.is_silent(long).await;
        assert!(asked_at.elapsed() >= long);
    }

    #[tokio::test]
    async fn all_calls_under_one_id_get_the_reply_and_one_that_gives_up_takes_it_from_nobody() {
        let replies = PendingReplies::default();
        let id = Uuid::from_u128(1);
        let (mut first, given_up, mut third) =
            (replies.wait_for(id, "contacts"), replies.wait_for(id, "contacts"), replies.wait_for(id, "contacts"));
        drop(given_up);

        replies.finish(id, "contacts", &Ok(b"reply".to_vec()));

        assert_eq!(first.reply().await.unwrap(), b"reply");
        assert_eq!(third.reply().await.unwrap(), b"reply");
        drop((first, third));
        assert!(replies.calls.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_call_under_an_id_that_was_answered_waits_for_a_reply_of_its_own() {
        let replies = PendingReplies::default();
        let id = Uuid::from_u128(1);
        let first = replies.wait_for(id, "contacts");
        replies.finish(id, "contacts", &Ok(b"first".to_vec()));
        let mut second = replies.wait_for(id, "contacts");
        drop(first);

        replies.finish(id, "contacts", &Ok(b"second".to_vec()));

        assert_eq!(second.reply().await.unwrap(), b"second");
    }

    #[tokio::test]
    async fn the_reply_of_another_service_under_the_same_id_is_not_this_ones() {
        let replies = PendingReplies::default();
        let id = Uuid::from_u128(1);
        let (mut of_contacts, mut of_search) = (replies.wait_for(id, "contacts"), replies.wait_for(id, "search"));

        replies.finish(id, "search", &Ok(b"search".to_vec()));
        replies.finish(id, "contacts", &Ok(b"contacts".to_vec()));

        assert_eq!(of_search.reply().await.unwrap(), b"search");
        assert_eq!(of_contacts.reply().await.unwrap(), b"contacts");
    }
}
