//! Publishing with confirms.

use std::{collections::HashSet, time::Duration};

use futures::future::join_all;
use lapin::{
    BasicProperties, Channel, Confirmation, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use tokio::sync::Mutex;
use tracing::warn;
use uuid::Uuid;

use super::{BrokerError, Link, answered, lasting};
use crate::messaging::{Outcome, Outgoing, Publisher};

/// A channel for sending: the present one, or a new one once that is closed. The sending connection may be replaced
/// while the consuming one stays.
pub(crate) struct Sender {
    link: Link,
    confirms: bool,
    held: Mutex<Option<(Channel, u64)>>,
}

impl Sender {
    /// A sender without publisher confirms.
    pub(crate) fn new(link: Link) -> Self {
        Self { link, confirms: false, held: Mutex::new(None) }
    }

    fn with_confirms(link: Link) -> Self {
        Self { confirms: true, ..Self::new(link) }
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
        if self.confirms {
            answered(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        }
        *held = Some((channel.clone(), generation));
        Ok((channel, generation))
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

/// Publishes over one channel in confirm mode.
pub struct RabbitPublisher {
    sender: Sender,
    confirm_timeout: Duration,
}

/// The result for one message: the confirm, and the id of a message that was returned with it. lapin may attach a
/// returned message to another one's confirm, so the id in it is decisive.
struct Answer {
    confirmed: bool,
    returned: Option<Uuid>,
}

impl RabbitPublisher {
    /// A publisher on a link; a confirm that takes longer than this counts as unknown.
    pub fn new(link: Link, confirm_timeout: Duration) -> Self {
        Self { sender: Sender::with_confirms(link), confirm_timeout }
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
        for message in window {
            let properties = lasting(message, self.link().user());
            let sent = send(&channel, &message.exchange, &message.routing_key, &message.body, properties);
            confirms.push(tokio::time::timeout(self.confirm_timeout, sent).await);
        }
        let answers = join_all(confirms.into_iter().map(async |sent| match sent {
            Ok(Ok(confirm)) => self.answer(confirm).await,
            _ => Answer { confirmed: false, returned: None },
        }))
        .await;
        if answers.iter().any(|answer| !answer.confirmed) {
            self.sender.give_up(generation).await;
        }
        Ok(answers)
    }

    async fn answer(&self, confirm: PublisherConfirm) -> Answer {
        match tokio::time::timeout(self.confirm_timeout, confirm).await {
            Ok(Ok(Confirmation::Ack(returned))) => Answer {
                confirmed: true,
                returned: returned.and_then(|returned| message_id(&returned.delivery.properties)),
            },
            _ => Answer { confirmed: false, returned: None },
        }
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
            Answer { confirmed: false, .. } => Outcome::Unknown,
            _ if returned.contains(&message.envelope.id) => Outcome::Unroutable,
            _ => Outcome::Confirmed,
        };
        window.iter().zip(&answers).map(outcome).collect()
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
