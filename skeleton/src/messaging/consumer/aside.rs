//! Setting aside: a message that failed, or came too early, waits in the store or is parked there.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use events::Envelope;
use metrics::counter;
use tracing::{debug, error, warn};
use uuid::Uuid;

use super::Queue;
use crate::{
    failure::{Failure, StoreError, StoreErrorKind},
    messaging::{
        Incoming,
        retry::{self, Decision},
        sender,
    },
    store::{Filter, MAX_BODY, SetAside, State, Store},
    telemetry,
};

/// A message as received.
pub(super) struct Raw {
    pub(super) id: Uuid,
    pub(super) name: String,
    subject: Option<String>,
    /// Its envelope, if that can be read.
    pub(super) envelope: Option<Envelope>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl From<&Incoming> for Raw {
    fn from(message: &Incoming) -> Self {
        let envelope = message.envelope.as_ref().ok().cloned();
        let mut headers = message.headers.to_text();
        headers.insert(sender::KEPT_AS.to_owned(), message.user.clone().unwrap_or_default());
        Self {
            id: message.id,
            name: envelope.as_ref().map_or_else(|| "(unreadable)".to_owned(), |envelope| envelope.name.clone()),
            subject: envelope.as_ref().and_then(|envelope| envelope.subject.clone()),
            envelope,
            headers,
            // Every listing of set-aside messages would read it, and a store may take too long to write it.
            body: if message.body.len() > MAX_BODY { Vec::new() } else { message.body.to_vec() },
        }
    }
}

impl Raw {
    /// A message that was set aside, and the envelope in its headers.
    pub(super) fn kept(kept: SetAside, envelope: Option<Envelope>) -> Self {
        let SetAside { message: id, name, subject, headers, body, .. } = kept;
        Self { id, name, subject, envelope, headers, body }
    }
}

impl<S: Store> Queue<S> {
    /// Sets a message aside to wait for its predecessor. That is no failure: no attempt is counted.
    pub(super) async fn keep_behind(&self, message: Raw, missing: i64, attempts: u32) -> Result<(), StoreError> {
        let entry = SetAside {
            state: State::Behind,
            attempts,
            ..self.entry(message, &format!("waits for number {missing} of its subject"))
        };
        self.put_aside(&entry).await?;
        self.progress.note(entry.place.iter().map(|place| place.line.clone()));
        self.service.ended(entry.message, "behind", Some(&entry.reason));
        counter!("messages_handled_total", "queue" => self.name.clone(), "name" => self.label(&entry.name), "outcome" => "behind").increment(1);
        debug!(message.id = %entry.message, message.name = entry.name, reason = entry.reason, "message waits for its predecessor");
        Ok(())
    }

    /// Sets a failed message aside, waiting for a retry or parked, or drops it if the handler says so.
    pub(super) async fn keep(
        &self,
        message: Raw,
        failure: &Failure,
        before: Option<(u32, DateTime<Utc>)>,
    ) -> Result<(), Failure> {
        if let Failure::Drop(reason) = failure {
            return self.drop_message(&message, reason).await;
        }
        let (message, attempts) = match before {
            Some((attempts, _)) => (message, attempts),
            None => self.apart_from_other_senders(message).await?,
        };
        let attempts = attempts + 1;
        let trace = message.envelope.as_ref().and_then(|envelope| envelope.trace);
        let stack = failure.stack().map(str::to_owned);
        let mut entry = SetAside { attempts, stack, ..self.entry(message, &failure.to_string()) };
        if let Some((_, first_failed_at)) = before {
            entry.first_failed_at = first_failed_at;
        }
        let decision = retry::decide(&self.retry, &self.service.environment, failure, attempts);
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
        self.put_aside(&entry).await?;
        self.service.ended(entry.message, outcome, Some(&entry.reason));
        counter!("messages_handled_total", "queue" => self.name.clone(), "name" => self.label(&entry.name), "outcome" => outcome).increment(1);
        let (message, name, reason) = (entry.message, &entry.name, &entry.reason);
        match failure {
            Failure::Bug(bug) => {
                telemetry::report_bug_in(&bug.text, trace);
                error!(message.id = %message, message.name = name, attempts, outcome, reason, "handler failed with a bug");
            }
            Failure::Reject(_) | Failure::Drop(_) => {
                warn!(message.id = %message, message.name = name, attempts, outcome, reason, "message refused")
            }
            Failure::Retry(_) => {
                warn!(message.id = %message, message.name = name, attempts, outcome, reason, "message failed")
            }
        }
        Ok(())
    }

    /// A message that fails for the first time in this delivery, and its earlier failures. Ids are unique per sender: if
    /// the message of another sender is set aside under the same id, this one gets an id of its own.
    pub(super) async fn apart_from_other_senders(&self, message: Raw) -> Result<(Raw, u32), StoreError> {
        let attempts = self.store.failures_of(message.id).await?;
        let kept = self.store.list_set_aside(&Filter::of(message.id), 1).await?.pop();
        if kept.is_none_or(|kept| sender::is_same(&kept.headers, &message.headers)) {
            return Ok((message, attempts));
        }
        let id = sender::own_id(&message.headers, message.id);
        Ok((Raw { id, ..message }, self.store.failures_of(id).await?))
    }

    /// Writes an entry. If the store refuses it, a reduced form is written: a message that cannot be set aside would
    /// block every message behind it.
    pub(super) async fn put_aside(&self, entry: &SetAside) -> Result<(), StoreError> {
        let mut outcome = self.store.set_aside(entry).await;
        for with_data in [true, false] {
            match &outcome {
                Err(refused) if matches!(refused.kind, StoreErrorKind::Broken | StoreErrorKind::Unstorable) => {
                    error!(message.id = %entry.message, queue = entry.queue, error = %refused, with_data, "the store refused a message; parking it in a reduced form");
                    outcome = self.store.set_aside(&entry.reduced(refused, with_data)).await;
                }
                _ => break,
            }
        }
        outcome
    }

    pub(super) fn entry(&self, message: Raw, reason: &str) -> SetAside {
        let now = self.service.environment.now();
        let entry = SetAside {
            message: message.id,
            queue: self.name.clone(),
            place: message.envelope.as_ref().and_then(|envelope| self.orders.waiting_place_of(envelope)),
            name: message.name,
            subject: message.subject,
            headers: message.headers,
            body: message.body,
            state: State::Waiting,
            attempts: 0,
            due_at: now,
            reason: reason.to_owned(),
            stack: None,
            first_failed_at: now,
            last_failed_at: now,
        };
        entry.keepable()
    }
}
