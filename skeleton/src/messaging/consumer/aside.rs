//! Setting aside: a message that failed, or came before its turn, waits in the store or is parked there.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use events::{Envelope, TraceParent};
use metrics::counter;
use tracing::{debug, error, info, warn};
use uuid::Uuid;

use super::Queue;
use crate::{
    failure::{Failure, StoreError},
    messaging::{
        Incoming,
        order::Place,
        retry::{self, Decision},
    },
    store::{SetAside, State, Store},
    telemetry,
};

/// A message as it came.
pub(super) struct Raw {
    id: Uuid,
    name: String,
    subject: Option<String>,
    trace: Option<TraceParent>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl From<&Incoming> for Raw {
    fn from(message: &Incoming) -> Self {
        let envelope = message.envelope.as_ref().ok();
        Self {
            id: message.id,
            name: envelope.map_or_else(|| "(unreadable)".to_owned(), |envelope| envelope.name.clone()),
            subject: envelope.and_then(|envelope| envelope.subject.clone()),
            trace: envelope.and_then(|envelope| envelope.trace),
            headers: message.headers.to_text(),
            body: message.body.to_vec(),
        }
    }
}

impl From<SetAside> for Raw {
    fn from(kept: SetAside) -> Self {
        let trace = kept.envelope().ok().and_then(|envelope| envelope.trace);
        Self { id: kept.message, name: kept.name, subject: kept.subject, trace, headers: kept.headers, body: kept.body }
    }
}

impl<S: Store> Queue<S> {
    /// Sets a message aside whose turn it is not yet. That is no failure: nothing is counted.
    pub(super) async fn keep_behind(&self, message: Raw, missing: i64, attempts: u32) -> Result<(), StoreError> {
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
    pub(super) async fn keep(
        &self,
        message: Raw,
        failure: &Failure,
        before: Option<(u32, DateTime<Utc>)>,
    ) -> Result<(), StoreError> {
        let attempts = match before {
            Some((attempts, _)) => attempts,
            None => self.store.failures_of(message.id).await?,
        };
        let attempts = attempts + 1;
        let trace = message.trace;
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
                telemetry::report_bug_in(text, trace);
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

    pub(super) fn entry(&self, message: Raw, reason: &str) -> SetAside {
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
}
