//! Handling: messages in one transaction, each in its order.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use events::{Envelope, versions::is_version_of};
use metrics::counter;
use tracing::{Instrument, debug, warn};
use uuid::Uuid;

use super::Queue;
use crate::{
    failure::{Failure, HandlerResult, Problem, StoreError},
    messaging::{
        ahead::call_ahead,
        order::{Order, SequenceCheck, SequencePosition, SubjectCursors},
    },
    panics,
    store::{Act, PipelinedBatch, Store, Transaction},
    telemetry,
};

/// The result of handling messages without a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// All are handled.
    Done,
    /// One of them is too early: this number of its subject has not been handled.
    Early { missing: i64 },
}

/// The number of messages by name and outcome.
pub(super) type Outcomes<'a> = BTreeMap<(&'a str, &'static str), u64>;

/// A message to handle, and its sequence position if its handler depends on order.
struct Call<'a> {
    envelope: &'a Envelope,
    body: &'a [u8],
    order: Order,
    place: Option<SequencePosition>,
}

impl<S: Store> Queue<S> {
    /// Handles messages in one transaction and skips those handled before. If one fails or comes too early, the
    /// transaction is rolled back.
    pub(super) async fn handle(&self, messages: &[(&Envelope, &[u8])]) -> Result<Ended, Failure> {
        let ids: Vec<Uuid> = messages.iter().map(|(envelope, _)| envelope.id).collect();
        let mut tx = self.store.begin(&self.service, &ids).await?;
        let mut outcomes = Outcomes::new();
        match self.handle_in(&mut tx, messages, &mut outcomes).await {
            Ok(Ended::Done) => self.commit(tx).await?,
            other => {
                tx.rollback().await;
                return other;
            }
        }
        for (envelope, _) in messages {
            self.service.ended(envelope.id, "done", None);
        }
        for ((name, outcome), count) in outcomes {
            counter!("messages_handled_total", "queue" => self.name.clone(), "name" => name.to_owned(), "outcome" => outcome)
                .increment(count);
        }
        Ok(Ended::Done)
    }

    /// Commits. The subject cursors that advanced are checked afterwards in any case: the outcome may be unknown.
    pub(super) async fn commit(&self, mut tx: S::Tx) -> Result<(), StoreError> {
        let moved = tx.unit_of_work_mut().take_moved_lines();
        let outcome = tx.commit().await;
        self.progress.note(moved);
        outcome
    }

    /// Handles messages in a transaction that the caller commits, and counts their outcomes.
    pub(super) async fn handle_in<'a>(
        &self,
        tx: &mut S::Tx,
        messages: &[(&'a Envelope, &'a [u8])],
        outcomes: &mut Outcomes<'a>,
    ) -> Result<Ended, Failure> {
        let calls = self.in_line(messages);
        let mut lines = SubjectCursors::locked(tx, calls.iter().filter_map(|call| call.place.as_ref())).await?;
        let mut seen = HashSet::with_capacity(calls.len());
        let mut due = Vec::with_capacity(calls.len());
        for call in calls {
            let mut count = |outcome| *outcomes.entry((&*call.envelope.name, outcome)).or_default() += 1;
            if !tx.is_new(call.envelope.id) || !seen.insert(call.envelope.id) {
                counter!("inbox_duplicates_total", "queue" => self.name.clone()).increment(1);
                count("duplicate");
                continue;
            }
            match call.place.as_ref().map_or(SequenceCheck::Now, |place| lines.turn(call.order, place)) {
                SequenceCheck::Now => {}
                SequenceCheck::Passed if !self.is_to_be_handled(tx, &mut lines, &call).await? => {
                    counter!("messages_passed_over_total", "queue" => self.name.clone()).increment(1);
                    count("passed-over");
                    continue;
                }
                SequenceCheck::Passed => {}
                SequenceCheck::Early { missing } => return Ok(Ended::Early { missing }),
            }
            // Before the handler is called: if that fails, this is rolled back too.
            if let Some(place) = &call.place {
                lines.advance(place, call.envelope.time);
            }
            count("done");
            due.push(call);
        }
        self.call_all(&due, tx).await?;
        lines.keep(tx).await?;
        Ok(Ended::Done)
    }

    /// Whether an event with a used sequence number is handled nevertheless: its producer restarted its numbering, and
    /// an operator redrove the event. Without the redrive, it is refused.
    async fn is_to_be_handled(
        &self,
        tx: &mut S::Tx,
        lines: &mut SubjectCursors,
        call: &Call<'_>,
    ) -> Result<bool, Failure> {
        let Some(place) = &call.place else { return Ok(false) };
        let Envelope { id, name, time, .. } = call.envelope;
        if !lines.is_numbered_again(tx, call.order, place, *time).await? {
            return Ok(false);
        }
        let trail = self.store.trail(Some(*id), 100).await?;
        if trail.iter().any(|decision| decision.act == Act::Redriven) {
            return Ok(true);
        }
        counter!("messages_numbered_again_total", "queue" => self.name.clone()).increment(1);
        warn!(queue = self.name, message.id = %id, message.name = name, number = place.number, "event with a sequence number that was used before: its producer was restored from a backup");
        let detail = format!(
            "number {} of its subject was used before: was its producer restored from a backup? See docs/order.md",
            place.number
        );
        Err(Problem::new(409, "numbered-again", detail).into())
    }

    /// The messages in handling order: those with a sequence position by their number.
    fn in_line<'a>(&self, messages: &[(&'a Envelope, &'a [u8])]) -> Vec<Call<'a>> {
        let call = |&(envelope, body): &(&'a Envelope, &'a [u8])| {
            let order = self.orders.of(&envelope.name);
            let place = if S::KEEPS_CURSORS { self.orders.place_of(envelope) } else { None };
            Call { envelope, body, order, place }
        };
        let mut calls: Vec<_> = messages.iter().map(call).collect();
        // Stable sort: messages that are not handled in order keep their order and come first.
        calls
            .sort_by_key(|call| call.place.as_ref().filter(|_| call.order == Order::InOrder).map(|place| place.number));
        calls
    }

    /// Calls the handlers, with the same effect as calling one after the other.
    async fn call_all(&self, calls: &[Call<'_>], tx: &mut S::Tx) -> HandlerResult {
        let hands = PipelinedBatch::default();
        if calls.len() < 2 || tx.hand(hands.slot(0)).is_none() {
            for call in calls {
                self.call(call.envelope, call.body, tx).await?;
            }
            return Ok(());
        }
        let serial: Vec<bool> = calls.iter().map(|call| self.serial.has(&call.envelope.name)).collect();
        let called = call_ahead(tx, &hands, &serial, |number, mut hand| async move {
            let Call { envelope, body, .. } = &calls[number];
            let handled = self.call(envelope, body, &mut hand).await;
            (number, hand, handled)
        });
        let outcome = called.await;
        let Some(out_of_order) = hands.out_of_order() else { return outcome };
        let name = &calls[out_of_order].envelope.name;
        self.serial.add(name);
        debug!(
            queue = self.name,
            message.name = name,
            "handlers of this event need more than one statement; running them alone from now on"
        );
        // Even if the handler swallowed the error.
        Err(Failure::retry("a handler of the batch needs to run alone"))
    }

    /// Calls the handler, and turns a panic or a timeout into a failure.
    async fn call(&self, envelope: &Envelope, body: &[u8], tx: &mut S::Tx) -> HandlerResult {
        let Some(handler) = self.handlers.get(envelope.name.as_str()) else {
            return Err(self.unknown(&envelope.name));
        };
        tx.unit_of_work_mut().caused_by(envelope);
        let span = telemetry::message_span(envelope);
        let limit = Duration::from_millis(self.retry.handler_timeout_ms);
        let handling = async {
            let guarded = panics::caught(async { handler(body, tx).await });
            let outcome = match self.service.environment.within(limit, guarded).await {
                Some(Ok(outcome)) => outcome,
                Some(Err(panicked)) => Err(Failure::Bug(panicked)),
                None => Err(Failure::retry(format!("the handler took longer than {} s", limit.as_secs()))),
            };
            debug!(outcome = if outcome.is_ok() { "done" } else { "failed" }, "handled");
            outcome
        };
        handling.instrument(span).await
    }

    /// The name of a message as a label of metrics.
    pub(super) fn label(&self, name: &str) -> String {
        telemetry::label(name, self.handlers.contains_key(name)).to_owned()
    }

    /// The failure of a message without a handler.
    fn unknown(&self, name: &str) -> Failure {
        let detail = format!("this version of {} does not know {name}", self.service.name);
        // During a rolling upgrade, replicas that are not upgraded yet get messages of the next version and leave them
        // to the upgraded ones. If there are none, the message is parked in the end.
        if self.handlers.keys().any(|known| is_version_of(known, name)) {
            return Failure::retry(detail);
        }
        Problem::new(501, "unknown-message", detail).into()
    }
}
