//! An in-memory broker: exchanges, bindings, and queues that keep unacknowledged messages, as quorum queues do.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use events::{Envelope, EnvelopeError};
use skeleton::messaging::{Deliveries, Incoming, Outcome, Outgoing, Publisher, handlers::Binding, rabbit::Headers};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    ledger::Ledger,
    time::locked,
    weather::{Bug, Life},
};

/// The gap between positions, so that a message that overtakes fits between them.
const APART: u64 = 1 << 20;

/// A message in a queue.
#[derive(Clone)]
struct Kept {
    id: Uuid,
    envelope: Result<Envelope, EnvelopeError>,
    body: Bytes,
    deliveries_before: u32,
}

#[derive(Default)]
struct Queue {
    ready: BTreeMap<u64, Kept>,
    arrived: Arc<Notify>,
}

/// A consumer's channel: its unacknowledged messages, by tag.
struct Channel {
    queue: String,
    in_hand: BTreeMap<u64, (u64, Kept)>,
    last_tag: u64,
}

#[derive(Default)]
struct State {
    bindings: Vec<(Binding, String)>,
    queues: BTreeMap<String, Queue>,
    channels: BTreeMap<u64, Channel>,
    last_number: u64,
}

/// A broker.
pub struct Broker {
    state: Mutex<State>,
    is_away: AtomicBool,
    is_unbound: AtomicBool,
    back: Notify,
    ledger: Arc<Ledger>,
}

impl Broker {
    /// A broker without queues.
    pub fn new(ledger: &Arc<Ledger>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            is_away: false.into(),
            is_unbound: false.into(),
            back: Notify::new(),
            ledger: ledger.clone(),
        })
    }

    /// Declares a queue and binds it.
    pub fn bind(&self, queue: &str, bindings: &[Binding]) {
        let mut state = locked(&self.state);
        state.queues.entry(queue.to_owned()).or_default();
        state.bindings.extend(bindings.iter().map(|binding| (binding.clone(), queue.to_owned())));
    }

    /// Makes it unavailable, which closes all channels, or available again.
    pub fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Relaxed);
        if is_away {
            let channels: Vec<u64> = locked(&self.state).channels.keys().copied().collect();
            channels.into_iter().for_each(|channel| self.close(channel, false));
        }
        self.back.notify_waiters();
    }

    /// Removes all bindings, or restores them.
    pub fn set_unbound(&self, is_unbound: bool) {
        self.is_unbound.store(is_unbound, Relaxed);
    }

    /// Whether all queues are empty, with nothing unacknowledged.
    pub fn is_empty(&self) -> bool {
        let state = locked(&self.state);
        state.queues.values().all(|queue| queue.ready.is_empty())
            && state.channels.values().all(|channel| channel.in_hand.is_empty())
    }

    /// Puts a message without an envelope into a queue.
    pub fn put_unreadable(&self, queue: &str, body: &'static [u8]) -> Uuid {
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, body);
        let envelope = Err(EnvelopeError::Missing("specversion"));
        self.put(queue, Kept { id, envelope, body: Bytes::from_static(body), deliveries_before: 0 }, 0);
        id
    }

    /// Puts a message into a queue, ahead of the last `before` messages.
    fn put(&self, queue: &str, message: Kept, before: u64) {
        let mut state = locked(&self.state);
        state.last_number += 1;
        let number = state.last_number;
        let place = number.saturating_sub(before) * APART + number % APART;
        let Some(queue) = state.queues.get_mut(queue) else { return };
        queue.ready.insert(place, message);
        queue.arrived.notify_waiters();
    }

    fn queues_of(&self, message: &Outgoing) -> Vec<String> {
        if self.is_unbound.load(Relaxed) {
            return Vec::new();
        }
        let wants =
            |binding: &Binding| binding.exchange == message.exchange && binding.routing_key == message.routing_key;
        let state = locked(&self.state);
        state.bindings.iter().filter(|(binding, _)| wants(binding)).map(|(_, queue)| queue.clone()).collect()
    }

    /// Accepts a message, or loses it.
    fn take(&self, message: &Outgoing, life: &Life) -> Outcome {
        if self.is_away.load(Relaxed) || life.strikes(|odds| odds.lost) {
            return if life.weather.has(Bug::ConfirmTakenForGranted) { Outcome::Confirmed } else { Outcome::Unknown };
        }
        self.ledger.on_the_wire(&message.envelope);
        let queues = self.queues_of(message);
        if queues.is_empty() {
            return if life.weather.has(Bug::UnroutableTakenAsDone) { Outcome::Confirmed } else { Outcome::Unroutable };
        }
        for queue in &queues {
            let kept = Kept {
                id: message.envelope.id,
                envelope: Ok(message.envelope.clone()),
                body: message.body.clone(),
                deliveries_before: 0,
            };
            for _ in 0..=u32::from(life.strikes(|odds| odds.twice)) {
                let before = if life.strikes(|odds| odds.overtaking) { life.draw(20) } else { 0 };
                self.put(queue, kept.clone(), before);
            }
        }
        if life.strikes(|odds| odds.unconfirmed) {
            return Outcome::Unknown;
        }
        self.ledger.confirmed(&message.envelope);
        Outcome::Confirmed
    }

    fn open(&self, queue: &str) -> u64 {
        let mut state = locked(&self.state);
        state.last_number += 1;
        let number = state.last_number;
        state.channels.insert(number, Channel { queue: queue.to_owned(), in_hand: BTreeMap::new(), last_tag: 0 });
        number
    }

    fn is_open(&self, channel: u64) -> bool {
        locked(&self.state).channels.contains_key(&channel)
    }

    /// Closes a channel. Its unacknowledged messages return to their old places.
    fn close(&self, channel: u64, nothing_comes_again: bool) {
        let mut state = locked(&self.state);
        let Some(Channel { queue, in_hand, .. }) = state.channels.remove(&channel) else { return };
        let Some(queue) = state.queues.get_mut(&queue).filter(|_| !nothing_comes_again) else { return };
        for (place, message) in in_hand.into_values() {
            let deliveries_before = message.deliveries_before + 1;
            queue.ready.insert(place, Kept { deliveries_before, ..message });
        }
        queue.arrived.notify_waiters();
    }

    /// Delivers messages to a channel until `prefetch` of them are unacknowledged.
    fn hand_out(&self, channel: u64, prefetch: usize) -> Vec<(u64, Kept)> {
        let mut state = locked(&self.state);
        let State { channels, queues, .. } = &mut *state;
        let Some(channel) = channels.get_mut(&channel) else { return Vec::new() };
        let Some(queue) = queues.get_mut(&channel.queue) else { return Vec::new() };
        let mut handed = Vec::new();
        while channel.in_hand.len() < prefetch
            && let Some((place, message)) = queue.ready.pop_first()
        {
            channel.last_tag += 1;
            handed.push((channel.last_tag, message.clone()));
            channel.in_hand.insert(channel.last_tag, (place, message));
        }
        handed
    }

    fn acknowledge_through(&self, channel: u64, tag: u64) {
        let mut state = locked(&self.state);
        let Some(channel) = state.channels.get_mut(&channel) else { return };
        let rest = channel.in_hand.split_off(&(tag + 1));
        for (_, message) in std::mem::replace(&mut channel.in_hand, rest).into_values() {
            self.ledger.acknowledged(&channel.queue, message.id);
        }
    }
}

/// Publishes to an in-memory broker.
pub struct MemoryPublisher {
    broker: Arc<Broker>,
    life: Life,
}

impl MemoryPublisher {
    /// A replica's publisher.
    pub fn new(broker: &Arc<Broker>, life: Life) -> Self {
        Self { broker: broker.clone(), life }
    }
}

impl Publisher for MemoryPublisher {
    async fn publish(&self, window: Vec<Outgoing>) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(window.len());
        for (nth, message) in window.iter().enumerate() {
            if nth % 8 == 0 {
                self.life.step("publishes").await;
            }
            let outcome = self.broker.take(message, &self.life);
            self.life.note(format_args!("publishes {} {}: {outcome:?}", message.envelope.name, message.envelope.id));
            outcomes.push(outcome);
        }
        self.life.step("has its confirms").await;
        outcomes
    }
}

/// The messages of one queue of an in-memory broker.
pub struct MemoryDeliveries {
    broker: Arc<Broker>,
    life: Life,
    queue: String,
    prefetch: usize,
    channel: Option<u64>,
    waiting: VecDeque<(u64, Kept)>,
}

impl MemoryDeliveries {
    /// The messages of a queue, with at most `prefetch` unacknowledged.
    pub fn new(broker: &Arc<Broker>, life: Life, queue: &str, prefetch: usize) -> Self {
        Self {
            broker: broker.clone(),
            life,
            queue: queue.to_owned(),
            prefetch,
            channel: None,
            waiting: VecDeque::new(),
        }
    }

    /// The current channel, or a new one.
    fn opened(&mut self) -> u64 {
        match self.channel.filter(|channel| self.broker.is_open(*channel)) {
            Some(channel) => channel,
            None => {
                self.waiting.clear();
                *self.channel.insert(self.broker.open(&self.queue))
            }
        }
    }

    fn cut(&mut self) {
        if let Some(channel) = self.channel {
            self.broker.close(channel, self.life.weather.has(Bug::NothingComesAgain));
        }
    }

    fn arrived(&self) -> Arc<Notify> {
        locked(&self.broker.state).queues.get(&self.queue).map(|queue| queue.arrived.clone()).unwrap_or_default()
    }
}

impl Deliveries for MemoryDeliveries {
    async fn next(&mut self, most: usize) -> Vec<Incoming> {
        self.life.step("waits for messages").await;
        if self.life.strikes(|odds| odds.cut) {
            self.cut();
        }
        let (arrived, broker) = (self.arrived(), self.broker.clone());
        loop {
            let (another, back) = (arrived.notified(), broker.back.notified());
            if !self.broker.is_away.load(Relaxed) {
                let channel = self.opened();
                self.waiting.extend(self.broker.hand_out(channel, self.prefetch));
            }
            let many = self.waiting.len().min(most);
            if many > 0 {
                let messages: Vec<_> = self.waiting.drain(..many).map(incoming).collect();
                for message in &messages {
                    self.life.note(format_args!("gets {} of {}", message.id, self.queue));
                }
                return messages;
            }
            tokio::select! {
                biased;
                () = another => {}
                () = back => {}
            }
        }
    }

    async fn acknowledge_through(&mut self, last: &Incoming) {
        self.life.step("acknowledges").await;
        if self.life.strikes(|odds| odds.cut) {
            self.cut();
        }
        if let Some(channel) = self.channel {
            self.broker.acknowledge_through(channel, last.tag);
        }
        self.life.step("has acknowledged").await;
    }

    async fn close(&mut self) {
        self.life.step("stops consuming").await;
        self.cut();
        self.channel = None;
    }
}

impl Drop for MemoryDeliveries {
    fn drop(&mut self) {
        self.cut();
    }
}

fn incoming((tag, message): (u64, Kept)) -> Incoming {
    let headers = message.envelope.as_ref().map(Envelope::to_headers).unwrap_or_default();
    let user = message.envelope.as_ref().ok().and_then(|envelope| Some(envelope.name.split_once('.')?.0.to_owned()));
    Incoming {
        tag,
        id: message.id,
        envelope: message.envelope,
        headers: Headers::from(headers),
        body: message.body,
        deliveries_before: message.deliveries_before,
        user,
        reply_to: None,
    }
}
