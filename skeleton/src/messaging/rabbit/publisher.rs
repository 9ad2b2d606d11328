//! Publishing with confirms.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use futures::future::join_all;
use lapin::{
    BasicProperties, Channel, Confirmation, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use tracing::warn;
use uuid::Uuid;

use super::{BrokerError, Link, answered, lasting, link::OwnLink};
use crate::messaging::{Outcome, Outgoing, Publisher};

/// A channel for sending: the present one, or a new one once that is closed. The sending connection may be replaced
/// while the consuming one stays.
pub(crate) struct Sender {
    link: Link,
    confirms: bool,
    held: tokio::sync::Mutex<Option<(Channel, u64)>>,
}

impl Sender {
    /// A sender without publisher confirms.
    pub(crate) fn new(link: Link) -> Self {
        Self { link, confirms: false, held: tokio::sync::Mutex::new(None) }
    }

    fn with_confirms(link: Link) -> Self {
        Self { confirms: true, ..Self::new(link) }
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
        if self.confirms {
            answered(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        }
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

/// The time limit for a message that is published apart. The broker answers within 65 s, even for a quorum queue that
/// does not respond.
const LONG_PATIENCE: Duration = Duration::from_secs(75);

/// Publishes over one channel in confirm mode.
pub struct RabbitPublisher {
    sender: Sender,
    confirm_timeout: Duration,
    /// The connection for messages that are published apart, while there are any.
    apart: Mutex<Weak<OwnLink>>,
}

/// The result for one message: the confirm, and the id of a message that was returned with it. lapin may attach a
/// returned message to another one's confirm, so the id in it is decisive.
struct Answer {
    state: State,
    returned: Option<Uuid>,
}

/// The broker's answer.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Confirmed,
    /// A queue rejected it.
    Rejected,
    /// There is no answer yet.
    Late,
    /// The channel or the connection failed.
    Failed,
}

impl Answer {
    fn of(state: State) -> Self {
        Self { state, returned: None }
    }
}

impl RabbitPublisher {
    /// A publisher on a link; a confirm that takes longer than this counts as unknown.
    pub fn new(link: Link, confirm_timeout: Duration) -> Self {
        Self { sender: Sender::with_confirms(link), confirm_timeout, apart: Mutex::default() }
    }

    /// The link that it publishes over.
    pub fn link(&self) -> &Link {
        &self.sender.link
    }

    /// Its sender: a channel in confirm mode.
    pub(crate) fn sender(&self) -> &Sender {
        &self.sender
    }

    async fn try_publish(&self, window: &[Outgoing]) -> Result<Vec<Answer>, BrokerError> {
        let (channel, generation) = tokio::time::timeout(self.confirm_timeout, self.sender.channel())
            .await
            .map_err(|_| BrokerError::Timeout(self.confirm_timeout))??;
        let mut confirms = Vec::with_capacity(window.len());
        let sending = async {
            for message in window {
                let properties = lasting(message, self.link().user());
                let sent = send(&channel, &message.exchange, &message.routing_key, &message.body, properties).await;
                confirms.push(sent?);
            }
            Ok::<(), lapin::Error>(())
        };
        // One limit for all: after a message that was not sent, none is.
        let _ = tokio::time::timeout(self.confirm_timeout, sending).await;
        let mut answers = join_all(confirms.into_iter().map(|confirm| self.answer(confirm))).await;
        answers.resize_with(window.len(), || Answer::of(State::Failed));
        let any = |state| answers.iter().any(|answer| answer.state == state);
        drop(channel);
        if any(State::Failed) || (any(State::Late) && !self.sender.replace(generation, self.confirm_timeout).await) {
            self.sender.give_up(generation).await;
            for answer in answers.iter_mut().filter(|answer| answer.state == State::Late) {
                answer.state = State::Failed;
            }
        }
        Ok(answers)
    }

    async fn answer(&self, confirm: PublisherConfirm) -> Answer {
        match tokio::time::timeout(self.confirm_timeout, confirm).await {
            Ok(Ok(Confirmation::Ack(returned))) => Answer {
                state: State::Confirmed,
                returned: returned.and_then(|returned| message_id(&returned.delivery.properties)),
            },
            Ok(Ok(_)) => Answer::of(State::Rejected),
            Ok(Err(_)) => Answer::of(State::Failed),
            Err(_) => Answer::of(State::Late),
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

    /// Publishes messages over a channel of their own, each after the confirm of the one before. Fills in the outcomes.
    async fn publish_over(
        &self,
        link: &Link,
        messages: &[Outgoing],
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), BrokerError> {
        let (channel, _) = link.channel().await?;
        answered(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        for message in messages {
            let properties = lasting(message, link.user());
            let sent = send(&channel, &message.exchange, &message.routing_key, &message.body, properties).await?;
            let outcome = match sent.await? {
                Confirmation::Ack(None) => Outcome::Confirmed,
                Confirmation::Ack(Some(_)) => Outcome::Unroutable,
                Confirmation::Nack(_) | Confirmation::NotRequested => Outcome::Unconfirmed,
            };
            outcomes.push(outcome);
        }
        Ok(())
    }
}

impl Publisher for RabbitPublisher {
    async fn publish(&self, window: Vec<Outgoing>) -> Vec<Outcome> {
        let answers = match self.try_publish(&window).await {
            Ok(answers) => answers,
            Err(error) => {
                warn!(%error, "failed to publish; retrying");
                return vec![Outcome::Unknown; window.len()];
            }
        };
        let returned: HashSet<Uuid> = answers.iter().filter_map(|answer| answer.returned).collect();
        let outcome = |(message, answer): (&Outgoing, &Answer)| match answer {
            Answer { state: State::Failed, .. } => Outcome::Unknown,
            Answer { state: State::Rejected | State::Late, .. } => Outcome::Unconfirmed,
            _ if returned.contains(&message.envelope.id) => Outcome::Unroutable,
            _ => Outcome::Confirmed,
        };
        window.iter().zip(&answers).map(outcome).collect()
    }

    async fn publish_apart(&self, messages: Vec<Outgoing>) -> Vec<Outcome> {
        let (link, mut outcomes) = (self.link_apart(), Vec::with_capacity(messages.len()));
        let published = self.publish_over(&link, &messages, &mut outcomes);
        let missing = match tokio::time::timeout(LONG_PATIENCE, published).await {
            // Not because of a queue: left to the relay, which publishes the message with the others again.
            Ok(Err(BrokerError::NotFound(_) | BrokerError::AccessRefused(_) | BrokerError::Refused(_))) => {
                Outcome::Unroutable
            }
            Ok(Err(_)) => Outcome::Unknown,
            Ok(Ok(())) | Err(_) => Outcome::Unconfirmed,
        };
        outcomes.resize(messages.len(), missing);
        outcomes
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

fn message_id(properties: &BasicProperties) -> Option<Uuid> {
    properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok())
}
