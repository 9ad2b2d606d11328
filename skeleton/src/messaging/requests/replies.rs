//! Sending replies.

use std::time::Duration;

use lapin::BasicProperties;

use super::{reply_exchange, unconfirmed::Unconfirmed};
use crate::messaging::rabbit::{BrokerError, Link, Sender, TIMEOUT, send};

/// How long a reply waits while too many to its queue are unconfirmed. It occupies one of the places for requests in
/// progress meanwhile, so that it must be short: a queue that responds confirms within milliseconds.
const CONFIRMS_WITHIN: Duration = Duration::from_millis(200);

/// Sends replies over one channel. A reply queue that does not respond loses its own replies, and holds up no others.
pub(super) struct Replies {
    sender: Sender,
    unconfirmed: Unconfirmed,
}

/// Why a reply was not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotSent {
    #[error("the reply queue does not respond: too many replies to it are unconfirmed")]
    NotTaken,
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

impl Replies {
    pub(super) fn new(link: Link) -> Self {
        Self { sender: Sender::new(link), unconfirmed: Unconfirmed::default() }
    }

    /// The user at the broker.
    pub(super) fn user(&self) -> &str {
        self.sender.user()
    }

    /// Sends a reply to one of the caller's reply queues, without waiting for the confirm: the caller would not get the
    /// reply again.
    pub(super) async fn send(
        &self,
        caller: &str,
        queue: &str,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<(), NotSent> {
        let unconfirmed = tokio::time::timeout(CONFIRMS_WITHIN, self.unconfirmed.one_more(queue.to_owned())).await;
        let Ok(Some(unconfirmed)) = unconfirmed else { return Err(NotSent::NotTaken) };
        let sending = async {
            let (channel, generation) = self.sender.channel().await?;
            match send(&channel, &reply_exchange(caller), queue, body, properties).await {
                Ok(confirm) => Ok((channel, confirm)),
                Err(error) => {
                    self.sender.give_up(generation).await;
                    Err(BrokerError::from(error))
                }
            }
        };
        // The caller does not wait longer.
        let sent = tokio::time::timeout(TIMEOUT, sending).await;
        let (channel, confirm) = sent.map_err(|_| BrokerError::Timeout(TIMEOUT))??;
        tokio::spawn(async move { unconfirmed.confirmed(&channel, confirm).await.map(drop) });
        Ok(())
    }
}
