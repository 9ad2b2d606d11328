//! The tables of the in-memory store.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use events::Envelope;
use skeleton::store::{Decision, OutboxRow, PendingMessage, SetAside, State};
use uuid::Uuid;

/// An effect of a handler: the handler's name, and the event.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    pub handler: &'static str,
    pub event: Envelope,
    pub at: DateTime<Utc>,
}

/// A delayed job.
#[derive(Clone, Debug)]
pub struct Delayed {
    pub due: DateTime<Utc>,
    pub position: u64,
    pub message: PendingMessage,
}

/// A resource that one transaction at a time may lock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lock {
    Inbox(Uuid),
    Line(String),
    SetAside(Uuid),
    Delays,
}

/// All committed data, and the current locks.
#[derive(Default)]
pub struct Tables {
    pub inbox: BTreeMap<Uuid, Inbox>,
    pub outbox: BTreeMap<i64, OutboxRow>,
    /// The ordering keys of postponed messages, by position.
    pub postponed: BTreeMap<i64, i64>,
    pub last_position: i64,
    pub written_at: BTreeMap<i64, DateTime<Utc>>,
    pub sequences: BTreeMap<String, i64>,
    pub lines: BTreeMap<String, i64>,
    pub given_up: BTreeSet<(String, i64)>,
    pub set_aside: BTreeMap<Uuid, SetAside>,
    pub delayed: BTreeMap<Uuid, Delayed>,
    pub trail: Vec<Decision>,
    pub effects: Vec<Effect>,
    pub locks: BTreeMap<Lock, u64>,
    pub next_number: u64,
    /// The session that may relay.
    pub relaying: Option<u64>,
    /// Sessions that are publishing a window.
    pub windows: BTreeSet<u64>,
}

/// A received message.
#[derive(Clone, Debug)]
pub struct Inbox {
    pub taken_in_at: DateTime<Utc>,
    pub reply: Option<Vec<u8>>,
}

impl Tables {
    pub fn next_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Whether a transaction has the lock now.
    pub fn try_lock(&mut self, lock: &Lock, tx: u64) -> bool {
        *self.locks.entry(lock.clone()).or_insert(tx) == tx
    }

    pub fn unlock_all_of(&mut self, tx: u64) {
        self.locks.retain(|_, holder| *holder != tx);
    }

    /// The position of a cursor, after the sequences that were given up.
    pub fn reached(&self, line: &str) -> i64 {
        let mut last = self.lines.get(line).copied().unwrap_or(0);
        while self.given_up.contains(&(line.to_owned(), last + 1)) {
            last += 1;
        }
        last
    }

    /// Assigns sequences to staged messages and puts them into the outbox.
    pub fn write_out(&mut self, staged: Vec<PendingMessage>, now: DateTime<Utc>, gives_twice: bool) -> Vec<OutboxRow> {
        let mut written = Vec::new();
        for message in staged {
            let sequence = message.numbered_subject().map(|subject| {
                let last = self.sequences.entry(subject.to_owned()).or_insert(0);
                if !(gives_twice && *last == 3) {
                    *last += 1;
                }
                *last
            });
            self.last_position += 1;
            let row = OutboxRow {
                position: self.last_position,
                exchange: message.exchange,
                routing_key: message.routing_key,
                envelope: Envelope { sequence, ..message.envelope },
                body: message.body.into_bytes(),
            };
            self.written_at.insert(row.position, now);
            self.outbox.insert(row.position, row.clone());
            written.push(row);
        }
        written
    }

    /// Inserts a message, or updates an existing one.
    pub fn keep(&mut self, message: &SetAside) {
        let kept = self.set_aside.entry(message.message).or_insert_with(|| message.clone());
        kept.state = message.state;
        kept.attempts = message.attempts;
        kept.due_at = message.due_at;
        kept.reason.clone_from(&message.reason);
        kept.stack.clone_from(&message.stack);
        kept.last_failed_at = message.last_failed_at;
    }

    /// Whether a set-aside message may be handled now.
    pub fn is_due(&self, message: &SetAside, now: DateTime<Utc>) -> bool {
        match (message.state, &message.place) {
            (State::Waiting, _) => message.due_at <= now,
            (State::Behind, Some(place)) => place.number <= self.lines.get(&place.line).copied().unwrap_or(0) + 1,
            (State::Behind, None) | (State::Parked, _) => false,
        }
    }
}
