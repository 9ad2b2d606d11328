//! The broker's answers to published messages, and what they mean for each message.

use std::{collections::HashSet, time::Duration};

use lapin::{Confirmation, PublisherConfirm, message::Delivery};
use tokio::time::Instant;
use uuid::Uuid;

use super::{BrokerError, Link, keeper::closes_a_channel};
use crate::messaging::{Outcome, Outgoing};

/// A message that the broker returned: its id and its routing key. All versions of an event have the same id.
pub(super) type Returned = (Uuid, String);

/// The result for one message.
pub(super) enum Answer {
    /// The confirm, and the message that was returned with it. lapin may attach a returned message to another one's
    /// confirm, so the returned message itself is decisive.
    Confirmed { returned: Option<Returned> },
    /// A queue rejected it; and the message that was returned, as above.
    Rejected { returned: Option<Returned> },
    /// There is no answer yet.
    Late,
    /// The broker closed the channel because of this message, or of another one on the same channel.
    Closed(BrokerError),
    /// It was not sent, because it does not fit into the protocol's frames.
    TooLarge(String),
    /// The channel or the connection failed.
    Unknown,
}

impl From<lapin::Error> for Answer {
    fn from(error: lapin::Error) -> Self {
        // The end of the connection says nothing about the message.
        if closes_a_channel(&error) { Self::Closed(error.into()) } else { Self::Unknown }
    }
}

/// The answer for a message that was sent.
pub(super) async fn answer(
    link: &Link,
    sent: Result<PublisherConfirm, Answer>,
    until: Instant,
    limit: Duration,
) -> Answer {
    let confirm = match sent {
        Ok(confirm) => confirm,
        Err(answer) => return answer,
    };
    match link.responded(until, limit, confirm).await {
        Some(Ok(Confirmation::Ack(it))) => Answer::Confirmed { returned: it.and_then(|it| returned_in(&it.delivery)) },
        Some(Ok(Confirmation::Nack(it))) => Answer::Rejected { returned: it.and_then(|it| returned_in(&it.delivery)) },
        Some(Ok(Confirmation::NotRequested)) => Answer::Unknown,
        Some(Err(error)) => error.into(),
        None => Answer::Late,
    }
}

/// Whether a message of a window has to be sent again: those that follow must not overtake it. An older version that no
/// queue takes is not sent again.
pub(super) fn has_to_be_sent_again(answer: &Answer, window: &[Outgoing]) -> bool {
    match answer {
        Answer::Confirmed { returned: Some((id, routing_key)) } => {
            let newest = window.iter().find(|message| message.envelope.id == *id);
            newest.is_some_and(|message| message.routing_key == *routing_key)
        }
        Answer::Confirmed { returned: None } | Answer::TooLarge(_) => false,
        Answer::Rejected { .. } | Answer::Late | Answer::Closed(_) | Answer::Unknown => true,
    }
}

pub(super) fn returned(answers: &[Answer]) -> HashSet<&Returned> {
    let returned = answers.iter().filter_map(|answer| match answer {
        Answer::Confirmed { returned } | Answer::Rejected { returned } => returned.as_ref(),
        Answer::Late | Answer::Closed(_) | Answer::TooLarge(_) | Answer::Unknown => None,
    });
    returned.collect()
}

pub(super) fn outcome_of(message: &Outgoing, answer: &Answer, returned: &HashSet<&Returned>) -> Outcome {
    let is_returned = || returned.contains(&(message.envelope.id, message.routing_key.clone()));
    match answer {
        Answer::Confirmed { .. } if !returned.is_empty() && is_returned() => Outcome::Unroutable,
        Answer::Confirmed { .. } => Outcome::Confirmed,
        Answer::Rejected { .. } | Answer::Late => Outcome::Unconfirmed,
        Answer::TooLarge(reason) => Outcome::Refused(reason.clone()),
        Answer::Closed(_) | Answer::Unknown => Outcome::Unknown,
    }
}

fn returned_in(delivery: &Delivery) -> Option<Returned> {
    let id = delivery.properties.message_id().as_ref()?.as_str().parse().ok()?;
    Some((id, delivery.routing_key.to_string()))
}
