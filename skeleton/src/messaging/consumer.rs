//! The consumer: takes messages from a queue and sees to it that each has its effect once.
//!
//! It promises: a message is acknowledged after the transaction that handled it has committed, or after it was set
//! aside; what comes again is recognised by the inbox. Messages that wait in the queue share a transaction; when one
//! of them fails, all of it is undone and they are handled one by one. While the store, or whatever else a handler
//! needs, does not answer, nothing is counted as a failure: the consumer pauses. Whose turn it is not yet, where the
//! handler wants its events in order, is set aside until it is. A message that was handed out often without an end may
//! be killing its process: it is handled alone, each attempt noted before it begins, and parked when they are used up.

use std::{
    collections::{BTreeMap, HashSet},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use events::{Envelope, versions::is_version_of};
use futures::FutureExt;
use metrics::{counter, gauge, histogram};
use tracing::{Instrument, debug, error, info, warn};
use uuid::Uuid;

use super::{
    Alone, Deliveries, Incoming,
    ahead::call_ahead,
    handlers::ByName,
    order::{Lines, Order, Orders, Place, Turn},
    retry::{self, Decision},
};
use crate::{
    config::RetrySettings,
    failure::{Failure, Handled, Problem, StoreError},
    stop::Stop,
    store::{Hands, ServiceContext, SetAside, State, Store, Transaction},
    telemetry,
};

/// What a consumer and its retry loop share.
pub struct Queue<S: Store> {
    /// The queue's name.
    pub name: String,
    /// Where effects and set-aside messages go.
    pub store: S,
    /// Who handles what.
    pub handlers: ByName<S::Tx>,
    /// Who needs what of the order.
    pub orders: Orders,
    /// What happens after a failure.
    pub retry: RetrySettings,
    /// The running service.
    pub service: Arc<ServiceContext>,
    /// Whether everything in it has failed elsewhere already, and is parked.
    pub park_all: bool,
    /// Whose handlers cannot be overtaken, as far as is known.
    pub alone: Arc<Alone>,
}

/// Takes messages from a queue until told to stop. `batch` messages at most share a transaction.
pub async fn consume<S: Store>(queue: Arc<Queue<S>>, mut deliveries: impl Deliveries, batch: usize, stop: Stop) {
    loop {
        let messages = tokio::select! {
            biased;
            () = stop.stopped() => break,
            messages = deliveries.next(batch) => messages,
        };
        if messages.is_empty() || !queue.work_off(&messages, &mut deliveries, &stop).await {
            break;
        }
    }
    deliveries.close().await;
}

/// Handles set-aside messages whose wait is over, until told to stop.
pub async fn retry_due<S: Store>(queue: Arc<Queue<S>>, stop: Stop) {
    let poll = Duration::from_millis(queue.retry.poll_ms);
    let mut wait = poll;
    while !stop.is_stopped() {
        // An error here is the store's: its own checks report it, and the next look may work.
        let due = queue.store.due(&queue.name, 64).await.unwrap_or_default();
        match queue.retry_all(&due, &stop).await {
            // What comes after these in their lines may be due now.
            Ok(handled) if handled > 0 => continue,
            Ok(_) => wait = poll,
            Err(Paused) => wait = (wait * 2).min(LONGEST_PAUSE.max(poll)),
        }
        tokio::select! {
            biased;
            () = stop.stopped() => {}
            () = queue.service.surroundings.sleep(wait) => {}
        }
    }
}

/// How long a consumer waits at most before it looks again whether what it needs answers.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Something that the handlers need does not answer.
struct Paused;

/// How the handling of messages ended, where nothing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// They are done.
    Done,
    /// It is not the turn of one of them: this number of its line has not been handled.
    Early { missing: i64 },
}

impl<S: Store> Queue<S> {
    /// The same on another store.
    pub(crate) fn on(&self, store: S) -> Self {
        Self {
            name: self.name.clone(),
            store,
            handlers: self.handlers.clone(),
            orders: self.orders.clone(),
            retry: self.retry.clone(),
            service: self.service.clone(),
            park_all: self.park_all,
            alone: self.alone.clone(),
        }
    }

    /// Handles messages and acknowledges them. False when told to stop before the end.
    async fn work_off(&self, messages: &[Incoming], deliveries: &mut impl Deliveries, stop: &Stop) -> bool {
        let Some(last) = messages.last() else { return true };
        let is_plain = |message: &Incoming| {
            !self.park_all && message.envelope.is_ok() && message.deliveries_before < self.retry.suspect_after
        };
        if messages.len() > 1 && messages.iter().all(is_plain) {
            histogram!("consumer_batch_messages", "queue" => self.name.clone()).record(messages.len() as f64);
            let calls: Vec<_> = messages
                .iter()
                .filter_map(|message| Some((message.envelope.as_ref().ok()?, &message.body[..])))
                .collect();
            if matches!(self.handle(&calls).await, Ok(Ended::Done)) {
                deliveries.acknowledge_through(last).await;
                return true;
            }
        }
        for message in messages {
            // What is not begun goes to another replica: a batch that failed may be long.
            if stop.is_stopped() || !self.finish(message, stop).await {
                return false;
            }
            deliveries.acknowledge_through(message).await;
        }
        true
    }

    /// Brings one message to an end: handled, waiting or parked. False when told to stop before that.
    async fn finish(&self, message: &Incoming, stop: &Stop) -> bool {
        let mut pause = Duration::from_millis(100);
        loop {
            let outcome = match self.attempt(message).await {
                Err(failure) if failure.is_unavailable() => Err(failure),
                Err(failure) => self.keep(message.into(), &failure, None).await.map_err(Failure::from),
                Ok(Ended::Early { missing }) => {
                    self.keep_behind(message.into(), missing, 0).await.map_err(Failure::from)
                }
                Ok(Ended::Done) => Ok(()),
            };
            let Err(trouble) = outcome else {
                gauge!("consumer_paused", "queue" => self.name.clone()).set(0.0);
                return true;
            };
            gauge!("consumer_paused", "queue" => self.name.clone()).set(1.0);
            warn!(queue = self.name, error = %trouble, "something that the handlers need does not answer: the consumer pauses");
            if !self.is_over(&mut pause, stop).await {
                return false;
            }
        }
    }

    async fn attempt(&self, message: &Incoming) -> Result<Ended, Failure> {
        let envelope = match &message.envelope {
            Ok(envelope) => envelope,
            Err(error) => return Err(Problem::new(400, "malformed-message", error.to_string()).into()),
        };
        if self.park_all {
            return Err(Problem::new(
                500,
                "dead-letter",
                "the broker gave the message up: it was handed out too often or could not be kept",
            )
            .into());
        }
        let is_suspect = message.deliveries_before >= self.retry.suspect_after;
        if is_suspect {
            self.note_suspect(message).await?;
        }
        let ended = self.handle(&[(envelope, &message.body[..])]).await?;
        if is_suspect && ended == Ended::Done {
            self.clear_suspect(message).await?;
        }
        Ok(ended)
    }

    /// Notes, before a suspicious message is handled, that it is: should the process die of it, the note stays.
    async fn note_suspect(&self, message: &Incoming) -> Handled {
        let attempts = self.store.failures_of(message.id).await? + 1;
        if attempts as usize > self.retry.waits_ms.len() {
            let detail = format!(
                "the message was handed out {} times and never came to an end: it may kill the process",
                message.deliveries_before
            );
            return Err(Problem::new(500, "crash-loop", detail).into());
        }
        let now = self.service.surroundings.now();
        let note = SetAside {
            attempts,
            due_at: now + chrono::Duration::minutes(10),
            ..self.entry(message.into(), "it was handed out and never came to an end")
        };
        self.store.set_aside(&note).await?;
        Ok(())
    }

    /// A suspicious message has come to its end: its note is due, and whoever looks at it finds it handled.
    async fn clear_suspect(&self, message: &Incoming) -> Result<(), StoreError> {
        self.store.set_aside(&self.entry(message.into(), "it was handled")).await
    }

    /// Handles messages in one transaction; what was handled before is left out. Nothing stays of any of them where one
    /// fails or comes too early.
    async fn handle(&self, messages: &[(&Envelope, &[u8])]) -> Result<Ended, Failure> {
        let ids: Vec<Uuid> = messages.iter().map(|(envelope, _)| envelope.id).collect();
        let mut tx = self.store.begin(&self.service, &ids).await?;
        match self.handle_in(&mut tx, messages).await {
            Ok(Ended::Done) => tx.commit().await?,
            other => {
                tx.rollback().await;
                return other;
            }
        }
        let mut done: BTreeMap<&str, u64> = BTreeMap::new();
        for (envelope, _) in messages {
            *done.entry(&envelope.name).or_default() += 1;
            self.service.ended(envelope.id, "done", None);
        }
        for (name, count) in done {
            counter!("messages_handled_total", "queue" => self.name.clone(), "name" => name.to_owned(), "outcome" => "done")
                .increment(count);
        }
        Ok(Ended::Done)
    }

    async fn handle_in(&self, tx: &mut S::Tx, messages: &[(&Envelope, &[u8])]) -> Result<Ended, Failure> {
        let calls = self.in_line(messages);
        let mut lines = Lines::locked(tx, calls.iter().filter_map(|call| call.place.as_ref())).await?;
        let mut seen = HashSet::with_capacity(calls.len());
        let mut due = Vec::with_capacity(calls.len());
        for call in calls {
            if !tx.is_new(call.envelope.id) || !seen.insert(call.envelope.id) {
                counter!("inbox_duplicates_total", "queue" => self.name.clone()).increment(1);
                continue;
            }
            match call.place.as_ref().map_or(Turn::Now, |place| lines.turn(call.order, place)) {
                Turn::Now => {}
                Turn::Passed => {
                    counter!("messages_passed_over_total", "queue" => self.name.clone()).increment(1);
                    continue;
                }
                Turn::Early { missing } => return Ok(Ended::Early { missing }),
            }
            // Before it is handled: should that fail, nothing of this stays either.
            if let Some(place) = &call.place {
                lines.advance(place.clone());
            }
            due.push(call);
        }
        self.call_all(&due, tx).await?;
        lines.keep(tx).await?;
        Ok(Ended::Done)
    }

    /// The messages as they are to be handled: those with a place in a line by their number.
    fn in_line<'a>(&self, messages: &[(&'a Envelope, &'a [u8])]) -> Vec<Call<'a>> {
        let call = |&(envelope, body): &(&'a Envelope, &'a [u8])| {
            let order = self.orders.of(&envelope.name);
            let place = if S::KEEPS_LINES { self.orders.place_of(envelope) } else { None };
            Call { envelope, body, order, place }
        };
        let mut calls: Vec<_> = messages.iter().map(call).collect();
        // Stable: those that are not taken in order stay as they came, before the others.
        calls
            .sort_by_key(|call| call.place.as_ref().filter(|_| call.order == Order::InOrder).map(|place| place.number));
        calls
    }

    /// Calls the handlers; what they do is as if one were called after the other.
    async fn call_all(&self, calls: &[Call<'_>], tx: &mut S::Tx) -> Handled {
        let hands = Hands::default();
        if calls.len() < 2 || tx.hand(hands.hand(0)).is_none() {
            for call in calls {
                self.call(call.envelope, call.body, tx).await?;
            }
            return Ok(());
        }
        let alone: Vec<bool> = calls.iter().map(|call| self.alone.has(&call.envelope.name)).collect();
        let called = call_ahead(tx, &hands, &alone, |number, mut hand| async move {
            let Call { envelope, body, .. } = &calls[number];
            let handled = self.call(envelope, body, &mut hand).await;
            (number, hand, handled)
        });
        let outcome = called.await;
        let Some(crossed) = hands.crossed() else { return outcome };
        let name = &calls[crossed].envelope.name;
        self.alone.add(name);
        debug!(
            queue = self.name,
            message.name = name,
            "handlers of this event need more than one statement: they run alone from now on"
        );
        // Whatever the handler made of being refused.
        Err(Failure::retry("a handler of the batch needs to run alone"))
    }

    /// Calls the handler, and makes a failure of a panic and of a handler that takes too long.
    async fn call(&self, envelope: &Envelope, body: &[u8], tx: &mut S::Tx) -> Handled {
        let Some(handler) = self.handlers.get(envelope.name.as_str()) else {
            return Err(self.unknown(&envelope.name));
        };
        tx.work_mut().caused_by(envelope);
        let span = telemetry::message_span(envelope);
        let limit = Duration::from_millis(self.retry.handler_timeout_ms);
        let handling = async {
            let guarded = AssertUnwindSafe(handler(body, tx)).catch_unwind();
            let outcome = match self.service.surroundings.within(limit, guarded).await {
                Some(Ok(outcome)) => outcome,
                Some(Err(_)) => Err(Failure::bug("the handler panicked")),
                None => Err(Failure::retry(format!("the handler took longer than {} s", limit.as_secs()))),
            };
            debug!(outcome = if outcome.is_ok() { "done" } else { "failed" }, "handled");
            outcome
        };
        handling.instrument(span).await
    }

    /// What becomes of a message that nothing here handles.
    fn unknown(&self, name: &str) -> Failure {
        let detail = format!("this version of {} does not know {name}", self.service.name);
        // While replicas are upgraded one after the other, those before their turn get messages of the next version:
        // they leave them to the others. Should there be none, the message is parked in the end.
        if self.handlers.keys().any(|known| is_version_of(known, name)) {
            return Failure::retry(detail);
        }
        Problem::new(501, "unknown-message", detail).into()
    }

    /// Handles messages again whose wait is over. Returns how many came to an end.
    async fn retry_all(&self, due: &[Uuid], stop: &Stop) -> Result<usize, Paused> {
        let mut ended = 0;
        for message in due {
            if stop.is_stopped() {
                break;
            }
            ended += usize::from(self.retry(*message).await?);
        }
        Ok(ended)
    }

    /// Handles a waiting message again. Returns whether that was its end.
    async fn retry(&self, id: Uuid) -> Result<bool, Paused> {
        let attempt = async {
            let mut tx = self.store.begin(&self.service, &[id]).await.map_err(|error| (None, error.into()))?;
            let Some(waiting) = tx.take_waiting(id).await.map_err(|error| (None, error.into()))? else {
                tx.rollback().await;
                return Ok(None);
            };
            let envelope =
                Envelope::from_headers(waiting.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            let handled = match envelope {
                Ok(envelope) => self.handle_in(&mut tx, &[(&envelope, &waiting.body[..])]).await,
                Err(error) => Err(Problem::new(400, "malformed-message", error.to_string()).into()),
            };
            match handled {
                Ok(Ended::Done) => {}
                Ok(Ended::Early { missing }) => {
                    tx.rollback().await;
                    return Ok(Some((waiting, missing)));
                }
                Err(failure) => {
                    tx.rollback().await;
                    return Err((Some(waiting), failure));
                }
            }
            let name = waiting.name.clone();
            tx.commit().await.map_err(|error| (Some(waiting), Failure::from(error)))?;
            self.service.ended(id, "done", None);
            counter!("messages_handled_total", "queue" => self.name.clone(), "name" => name, "outcome" => "retried")
                .increment(1);
            Ok(None)
        };
        match attempt.await {
            Ok(None) => return Ok(true),
            Ok(Some((waiting, missing))) => {
                let attempts = waiting.attempts;
                self.put_back(self.keep_behind(waiting.into(), missing, attempts).await);
            }
            // The row is still there with its due time: the next look finds it.
            Err((_, failure)) if failure.is_unavailable() => {
                warn!(queue = self.name, error = %failure, "something that the handlers need does not answer: retries pause");
                return Err(Paused);
            }
            Err((None, failure)) => warn!(queue = self.name, error = %failure, "a waiting message cannot be read"),
            Err((Some(waiting), failure)) => {
                let first = (waiting.attempts, waiting.first_failed_at);
                self.put_back(self.keep(waiting.into(), &failure, Some(first)).await);
            }
        }
        Ok(false)
    }

    fn put_back(&self, kept: Result<(), StoreError>) {
        if let Err(error) = kept {
            warn!(queue = self.name, %error, "a waiting message cannot be put back: it is tried again");
        }
    }

    /// Sets a message aside whose turn it is not yet. That is no failure: nothing is counted.
    async fn keep_behind(&self, message: Raw, missing: i64, attempts: u32) -> Result<(), StoreError> {
        let entry = SetAside {
            state: State::Behind,
            attempts,
            ..self.entry(message, &format!("number {missing} of its subject comes before it"))
        };
        self.store.set_aside(&entry).await?;
        self.service.ended(entry.message, "behind", Some(&entry.reason));
        counter!("messages_handled_total", "queue" => self.name.clone(), "name" => entry.name.clone(), "outcome" => "behind").increment(1);
        debug!(message.id = %entry.message, message.name = entry.name, reason = entry.reason, "a message waits for the one before it");
        Ok(())
    }

    /// Sets a failed message aside, to wait or parked.
    async fn keep(
        &self,
        message: Raw,
        failure: &Failure,
        before: Option<(u32, chrono::DateTime<chrono::Utc>)>,
    ) -> Result<(), StoreError> {
        let attempts = match before {
            Some((attempts, _)) => attempts,
            None => self.store.failures_of(message.id).await?,
        };
        let attempts = attempts + 1;
        let mut entry = SetAside { attempts, ..self.entry(message, &failure.to_string()) };
        if let Some((_, first_failed_at)) = before {
            entry.first_failed_at = first_failed_at;
        }
        let decision = retry::decide(&self.retry, &self.service.surroundings, failure, attempts);
        let outcome = match decision {
            Decision::Wait(wait) => {
                entry.due_at += wait;
                "waiting"
            }
            Decision::Park => {
                entry.state = State::Parked;
                "parked"
            }
        };
        self.store.set_aside(&entry).await?;
        self.service.ended(entry.message, outcome, Some(&entry.reason));
        counter!("messages_handled_total", "queue" => self.name.clone(), "name" => entry.name.clone(), "outcome" => outcome).increment(1);
        let (message, name, reason) = (entry.message, &entry.name, &entry.reason);
        match failure {
            Failure::Bug(text) => {
                telemetry::report_bug(text);
                error!(message.id = %message, message.name = name, attempts, outcome, reason, "a handler failed in a way that must not happen");
            }
            Failure::Reject(_) => {
                info!(message.id = %message, message.name = name, attempts, outcome, reason, "a message was refused")
            }
            Failure::Retry(_) => {
                warn!(message.id = %message, message.name = name, attempts, outcome, reason, "a message failed")
            }
        }
        Ok(())
    }

    fn entry(&self, message: Raw, reason: &str) -> SetAside {
        let now = self.service.surroundings.now();
        SetAside {
            message: message.id,
            queue: self.name.clone(),
            place: self.waiting_place_of(&message),
            name: message.name,
            subject: message.subject,
            headers: message.headers,
            body: message.body,
            state: State::Waiting,
            attempts: 0,
            due_at: now,
            reason: reason.to_owned(),
            first_failed_at: now,
            last_failed_at: now,
        }
    }

    fn waiting_place_of(&self, message: &Raw) -> Option<Place> {
        let headers = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        self.orders.waiting_place_of(&Envelope::from_headers(headers).ok()?)
    }

    /// Waits for a pause, longer each time, and until the store answers. False when told to stop before that.
    async fn is_over(&self, pause: &mut Duration, stop: &Stop) -> bool {
        loop {
            tokio::select! {
                biased;
                () = stop.stopped() => return false,
                () = self.service.surroundings.sleep(*pause) => {}
            }
            *pause = (*pause * 2).min(LONGEST_PAUSE);
            if self.store.ping().await.is_ok() {
                return true;
            }
        }
    }
}

/// A message that is to be handled, and its place, where its handler cares.
struct Call<'a> {
    envelope: &'a Envelope,
    body: &'a [u8],
    order: Order,
    place: Option<Place>,
}

/// A message as it came.
struct Raw {
    id: Uuid,
    name: String,
    subject: Option<String>,
    headers: std::collections::BTreeMap<String, String>,
    body: Vec<u8>,
}

impl From<&Incoming> for Raw {
    fn from(message: &Incoming) -> Self {
        let envelope = message.envelope.as_ref().ok();
        Self {
            id: message.id,
            name: envelope.map_or_else(|| "(unreadable)".to_owned(), |envelope| envelope.name.clone()),
            subject: envelope.and_then(|envelope| envelope.subject.clone()),
            headers: message.headers.to_text(),
            body: message.body.to_vec(),
        }
    }
}

impl From<SetAside> for Raw {
    fn from(kept: SetAside) -> Self {
        Self { id: kept.message, name: kept.name, subject: kept.subject, headers: kept.headers, body: kept.body }
    }
}
