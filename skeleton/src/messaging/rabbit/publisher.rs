//! Publishing with confirms.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use futures::future::join_all;
use lapin::{
    BasicProperties, Channel, Confirmation, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use tokio::time::Instant;
use tracing::warn;

use super::{
    BrokerError, Link, answered,
    answers::{Answer, answer, has_to_be_sent_again, outcome_of, returned},
    frames::{headers_fit, names_fit},
    lasting,
    link::OwnLink,
};
use crate::messaging::{Outcome, Outgoing, Publisher};

/// A channel in confirm mode for sending: the present one, or a new one once that is closed. The sending connection may
/// be replaced while the consuming one stays.
pub(crate) struct Sender {
    link: Link,
    held: tokio::sync::Mutex<Option<(Channel, u64)>>,
}

impl Sender {
    /// A sender over a link.
    pub(crate) fn new(link: Link) -> Self {
        Self { link, held: tokio::sync::Mutex::new(None) }
    }

    /// The user at the broker.
    pub(crate) fn user(&self) -> &str {
        self.link.user()
    }

    /// The channel, and the generation of its connection.
    pub(crate) async fn channel(&self) -> Result<(Channel, u64), BrokerError> {
        let mut held = self.held.lock().await;
        if let Some((channel, generation)) = held.as_ref()
            && channel.status().connected()
        {
            return Ok((channel.clone(), *generation));
        }
        let (channel, generation) = self.link.channel().await?;
        answered(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        *held = Some((channel.clone(), generation));
        Ok((channel, generation))
    }

    /// Replaces a channel that waits for a queue: it handles nothing else for up to 65 s. False if the connection does
    /// not work either. lapin closes the former channel when it is dropped.
    async fn replace(&self, generation: u64, within: Duration) -> bool {
        *self.held.lock().await = None;
        let replaced = tokio::time::timeout(within, self.channel()).await;
        matches!(replaced, Ok(Ok((_, now))) if now == generation)
    }

    /// Drops a channel that does not work: whatever the cause, a new channel on a new connection starts clean.
    pub(crate) async fn give_up(&self, generation: u64) {
        self.link.report_broken(generation);
        let mut held = self.held.lock().await;
        if held.as_ref().is_some_and(|(_, held)| *held == generation) {
            *held = None;
        }
    }
}

/// The time limit for a message that is published apart. The broker answers within 65 s, whatever the queue does.
const APART_TIMEOUT: Duration = Duration::from_secs(75);

/// The maximum number of messages in flight on a channel. If it waits for a queue, the broker reads at least 200 more
/// messages for it, and then nothing from the whole connection.
const IN_FLIGHT: usize = 200;

/// Publishes over one channel in confirm mode, a limited number of messages at a time.
///
/// The broker closes the channel because of a message that it refuses, and does not name the message. Then the
/// unconfirmed messages of the window are published one by one.
pub struct RabbitPublisher {
    sender: Sender,
    confirm_timeout: Duration,
    /// The connection for messages that are published apart, while there are any.
    apart: Mutex<Weak<OwnLink>>,
}

impl RabbitPublisher {
    /// A publisher on a link; a confirm that takes longer than this counts as unknown.
    pub fn new(link: Link, confirm_timeout: Duration) -> Self {
        Self { sender: Sender::new(link), confirm_timeout, apart: Mutex::default() }
    }

    /// The link that it publishes over.
    pub fn link(&self) -> &Link {
        &self.sender.link
    }

    /// Its sender.
    pub(crate) fn sender(&self) -> &Sender {
        &self.sender
    }

    /// The answers for the messages that were sent: up to the first that has to be sent again, and those in flight then.
    async fn try_publish(&self, window: &[Outgoing]) -> Result<Vec<Answer>, BrokerError> {
        let (channel, generation) = tokio::time::timeout(self.confirm_timeout, self.sender.channel())
            .await
            .map_err(|_| BrokerError::Timeout(self.confirm_timeout))??;
        let answers = self.publish_on(&channel, window).await;
        let any = |is: fn(&Answer) -> bool| answers.iter().any(is);
        drop(channel);
        if any(|answer| matches!(answer, Answer::Closed(_))) {
            return Ok(answers); // The connection works, and the next message gets another channel.
        }
        // For each channel, the broker remembers that a quorum queue rejects, even without the limit.
        let needs_channel = |answer: &Answer| matches!(answer, Answer::Late | Answer::Rejected { .. });
        if any(|answer| matches!(answer, Answer::Unknown))
            || (any(needs_channel) && !self.sender.replace(generation, self.confirm_timeout).await)
        {
            // Late messages stay late: nothing would get past them if they were sent again with the others.
            self.sender.give_up(generation).await;
        }
        Ok(answers)
    }

    async fn publish_on(&self, channel: &Channel, window: &[Outgoing]) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(window.len());
        let mut in_flight = VecDeque::with_capacity(window.len().min(IN_FLIGHT));
        for message in window {
            if in_flight.len() >= IN_FLIGHT
                && let Some(oldest) = in_flight.pop_front()
            {
                let answer = oldest.await;
                let is_last = has_to_be_sent_again(&answer, window);
                answers.push(answer);
                if is_last {
                    break;
                }
            }
            let sent = self.send(channel, message).await;
            // After a message that was not sent, none is.
            let is_last = matches!(sent, Err(Answer::Closed(_) | Answer::Unknown));
            in_flight.push_back(answer(self.link(), sent, Instant::now() + self.confirm_timeout, self.confirm_timeout));
            if is_last {
                break;
            }
        }
        answers.extend(join_all(in_flight).await);
        answers
    }

    async fn send(&self, channel: &Channel, message: &Outgoing) -> Result<PublisherConfirm, Answer> {
        names_fit(message).map_err(Answer::TooLarge)?;
        let properties = lasting(message, self.link().user());
        headers_fit(&properties).map_err(Answer::TooLarge)?;
        let sending = send(channel, &message.exchange, &message.routing_key, &message.body, properties);
        let until = Instant::now() + self.confirm_timeout;
        match self.link().responded(until, self.confirm_timeout, sending).await {
            Some(sent) => sent.map_err(Answer::from),
            None => Err(Answer::Unknown),
        }
    }

    /// Publishes the messages of a window without a definite outcome one by one, up to the first without an answer.
    async fn publish_singly(&self, window: &[Outgoing], outcomes: &mut [Outcome]) {
        let mut missing = BTreeSet::new();
        for (message, outcome) in window.iter().zip(outcomes) {
            if *outcome != Outcome::Unknown {
                continue;
            }
            if missing.contains(&message.exchange) {
                *outcome = Outcome::Unroutable;
                continue;
            }
            let answer = self.try_publish(std::slice::from_ref(message)).await.map(|mut answers| answers.pop());
            *outcome = match answer {
                Ok(Some(Answer::Closed(BrokerError::Refused(reason)))) => Outcome::Refused(reason),
                Ok(Some(Answer::Closed(error))) => {
                    warn!(exchange = message.exchange, %error, "the exchange is missing or forbidden");
                    missing.insert(&message.exchange);
                    Outcome::Unroutable
                }
                Ok(Some(answer)) => outcome_of(message, &answer, &returned(std::slice::from_ref(&answer))),
                Ok(None) | Err(_) => Outcome::Unknown,
            };
            // The rest is published once the route of a message without a confirm is apart.
            if matches!(*outcome, Outcome::Unknown | Outcome::Unconfirmed) {
                return;
            }
        }
    }

    fn link_apart(&self) -> Arc<OwnLink> {
        let mut apart = self.apart.lock().unwrap_or_else(PoisonError::into_inner);
        apart.upgrade().unwrap_or_else(|| {
            let link = Arc::new(self.link().beside("apart"));
            *apart = Arc::downgrade(&link);
            link
        })
    }

    /// Publishes a message over a channel of its own.
    async fn publish_over(&self, link: &Link, message: &Outgoing) -> Result<Outcome, BrokerError> {
        let properties = lasting(message, link.user());
        if let Err(reason) = names_fit(message).and_then(|()| headers_fit(&properties)) {
            return Ok(Outcome::Refused(reason));
        }
        let (channel, _) = link.channel().await?;
        answered(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        let sent = send(&channel, &message.exchange, &message.routing_key, &message.body, properties).await?;
        Ok(match sent.await? {
            Confirmation::Ack(None) => Outcome::Confirmed,
            Confirmation::Ack(Some(_)) => Outcome::Unroutable,
            Confirmation::Nack(_) | Confirmation::NotRequested => Outcome::Unconfirmed,
        })
    }

    async fn publish_one_apart(&self, link: &Link, message: &Outgoing) -> Outcome {
        let publishing = self.publish_over(link, message);
        match link.responded(Instant::now() + APART_TIMEOUT, APART_TIMEOUT, publishing).await {
            Some(Ok(outcome)) => outcome,
            // Not because of a queue: left to the relay.
            Some(Err(BrokerError::NotFound(_) | BrokerError::AccessRefused(_))) => Outcome::Unroutable,
            Some(Err(BrokerError::Refused(reason))) => Outcome::Refused(reason),
            Some(Err(_)) => Outcome::Unknown,
            None => Outcome::Unconfirmed,
        }
    }
}

impl Publisher for RabbitPublisher {
    async fn publish(&self, window: Vec<Outgoing>) -> Vec<Outcome> {
        let answers = self.try_publish(&window).await.unwrap_or_else(|error| {
            warn!(%error, "failed to publish; retrying");
            Vec::new()
        });
        let returned = returned(&answers);
        let outcome = |(message, answer)| outcome_of(message, answer, &returned);
        let mut outcomes: Vec<Outcome> = window.iter().zip(&answers).map(outcome).collect();
        if answers.iter().any(|answer| matches!(answer, Answer::Closed(_))) {
            self.publish_singly(&window[..answers.len()], &mut outcomes).await;
        }
        outcomes.resize(window.len(), Outcome::Unknown);
        outcomes
    }

    async fn publish_apart(&self, messages: Vec<Outgoing>) -> Vec<Outcome> {
        let link = self.link_apart();
        // At the same time: a queue of one version that does not respond must not hold up consumers of another.
        join_all(messages.iter().map(|message| self.publish_one_apart(&link, message))).await
    }
}

/// Sends a message. The broker returns it if no queue is bound for it.
pub(crate) async fn send(
    channel: &Channel,
    exchange: &str,
    routing_key: &str,
    body: &[u8],
    properties: BasicProperties,
) -> lapin::Result<PublisherConfirm> {
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    channel.basic_publish(exchange.into(), routing_key.into(), options, body, properties).await
}
