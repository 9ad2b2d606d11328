//! A service's events, split by subject into several queues: which there are, and how replicas share them.
//!
//! The broker gives each partition to one consumer at a time, the one that asked first, so a replica that starts first
//! would have all of them. Each replica therefore looks every few seconds how many replicas there are, and gives back
//! what is more than its share: it goes to the end of the line, and the next replica takes over. Partitions without
//! messages are nobody's load and are not counted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lapin::{Queue, options::QueueDeclareOptions, types::FieldTable};
use tokio::sync::Notify;
use tracing::debug;

use super::{BrokerError, Link, answered};
use crate::stop::Stop;

/// How often a replica looks whether it has more than its share.
const LOOK: Duration = Duration::from_secs(5);

/// The queues that a service's events come in.
pub fn event_queues(service: &str, partitions: u32) -> Vec<String> {
    match partitions {
        0 | 1 => vec![format!("{service}.events")],
        _ => (0..partitions).map(|nth| format!("{service}.events.{nth}")).collect(),
    }
}

/// The queues that the service's events came in while they were split otherwise, as far as they are still there.
/// Nothing new comes into them.
pub async fn former_event_queues(link: &Link, service: &str, partitions: u32) -> Result<Vec<String>, BrokerError> {
    let mut found = Vec::new();
    let whole = format!("{service}.events");
    if partitions > 1 && consumers_of(link, &whole).await?.is_some() {
        found.push(whole);
    }
    // Partitions are counted from 0 without a gap: the first that is not there is the end.
    let first = if partitions > 1 { partitions } else { 0 };
    for nth in first.. {
        let name = format!("{service}.events.{nth}");
        if consumers_of(link, &name).await?.is_none() {
            break;
        }
        found.push(name);
    }
    Ok(found)
}

/// How many messages of a queue are waiting for a consumer. `None` where there is no such queue.
///
/// # Errors
/// Where the broker does not answer.
pub async fn waiting_in(link: &Link, queue: &str) -> Result<Option<u32>, BrokerError> {
    Ok(look_at(link, queue).await?.map(|found| found.message_count()))
}

/// How many consumers a queue has. `None` where there is no such queue.
pub(super) async fn consumers_of(link: &Link, queue: &str) -> Result<Option<u32>, BrokerError> {
    Ok(look_at(link, queue).await?.map(|found| found.consumer_count()))
}

async fn look_at(link: &Link, queue: &str) -> Result<Option<Queue>, BrokerError> {
    // Asked for a queue that is not there, the broker closes the channel: each question has its own.
    let (channel, _) = link.channel().await?;
    let options = QueueDeclareOptions { passive: true, durable: true, ..Default::default() };
    match answered(channel.queue_declare(queue.into(), options, FieldTable::default())).await {
        Ok(found) => {
            let _ = answered(channel.close(200, "bye".into())).await;
            Ok(Some(found))
        }
        Err(BrokerError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// One partition, as this replica has it.
#[derive(Debug, Default)]
pub struct Partition {
    /// Its queue.
    pub queue: String,
    is_busy: AtomicBool,
    give_back: Notify,
}

impl Partition {
    /// A partition that this replica asks for.
    pub fn of(queue: String) -> Arc<Self> {
        Arc::new(Self { queue, ..Self::default() })
    }

    /// Notes whether this replica has messages of it.
    pub(super) fn set_busy(&self, is_busy: bool) {
        self.is_busy.store(is_busy, Ordering::Relaxed);
    }

    /// Waits until another replica is to have it.
    pub(super) async fn wanted_elsewhere(&self) {
        self.give_back.notified().await;
    }
}

/// Gives back what is more than this replica's share, until told to stop.
pub async fn share(link: Link, service: String, partitions: Vec<Arc<Partition>>, stop: Stop) {
    // Asked for a partition, the broker counts only the consumer whose turn it is. This queue each replica reads.
    let read_by_all = format!("{service}.dead");
    loop {
        tokio::select! {
            () = stop.stopped() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        // Where the broker does not answer there is nothing to share.
        let replicas = consumers_of(&link, &read_by_all).await.ok().flatten().unwrap_or(1).max(1) as usize;
        let busy: Vec<_> = partitions.iter().filter(|partition| partition.is_busy.load(Ordering::Relaxed)).collect();
        for partition in busy.iter().skip(partitions.len().div_ceil(replicas)) {
            debug!(queue = partition.queue, replicas, "another replica is to have this partition");
            partition.give_back.notify_one();
        }
    }
}
