//! Partitions: a service's events, split by subject into several queues, and how replicas share them.
//!
//! The broker gives each partition to one consumer at a time, the first that subscribed, so a replica that starts first
//! would have all of them. Every few seconds each replica therefore counts the replicas, and releases the partitions
//! above its share: it goes to the end of the waiting list, and the next replica takes over. Partitions without
//! messages cause no load and are not counted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lapin::{Channel, Queue, options::QueueDeclareOptions, types::FieldTable};
use tokio::{sync::Notify, time::Instant};
use tracing::debug;

use super::{BrokerError, Link, answered};
use crate::stop::Stop;

/// The interval at which a replica checks whether it has more than its share.
const LOOK: Duration = Duration::from_secs(5);

/// The broker's own limit for the state of a quorum queue.
const UNRESPONSIVE: Duration = Duration::from_millis(250);

/// The queues of a service's events.
pub fn event_queues(service: &str, partitions: u32) -> Vec<String> {
    match partitions {
        0 | 1 => vec![format!("{service}.events")],
        _ => (0..partitions).map(|nth| format!("{service}.events.{nth}")).collect(),
    }
}

/// The queues that still exist from an earlier number of partitions. They get no new messages.
pub async fn former_event_queues(link: &Link, service: &str, partitions: u32) -> Result<Vec<String>, BrokerError> {
    let mut found = Vec::new();
    let whole = format!("{service}.events");
    if partitions > 1 && consumers_of(link, &whole).await?.is_some() {
        found.push(whole);
    }
    // Partitions are numbered from 0 without gaps: the first that does not exist is the end.
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

/// The number of messages in a queue that wait for a consumer. `None` if the queue does not exist.
///
/// # Errors
/// If the broker does not respond.
pub async fn waiting_in(link: &Link, queue: &str) -> Result<Option<u32>, BrokerError> {
    Ok(look_at(link, queue).await?.map(|found| found.message_count()))
}

/// The number of consumers of a queue. `None` if the queue does not exist.
pub(super) async fn consumers_of(link: &Link, queue: &str) -> Result<Option<u32>, BrokerError> {
    Ok(look_at(link, queue).await?.map(|found| found.consumer_count()))
}

async fn look_at(link: &Link, queue: &str) -> Result<Option<Queue>, BrokerError> {
    // The broker closes the channel if the queue does not exist: each query has its own.
    let (channel, _) = link.channel().await?;
    match look_over(&channel, queue).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

async fn look_over(channel: &Channel, queue: &str) -> Result<Queue, BrokerError> {
    let options = QueueDeclareOptions { passive: true, durable: true, ..Default::default() };
    let found = answered(channel.queue_declare(queue.into(), options, FieldTable::default())).await?;
    let _ = answered(channel.close(200, "bye".into())).await;
    Ok(found)
}

/// Whether a queue responds, as far as is known without a consumer: the broker waits 250 ms for the state of a quorum
/// queue, and then reports an empty one.
///
/// # Errors
/// If the broker does not respond, or the queue does not exist.
pub(super) async fn responds(link: &Link, queue: &str) -> Result<bool, BrokerError> {
    let (channel, _) = link.channel().await?;
    let asked_at = Instant::now();
    let found = look_over(&channel, queue).await?;
    let is_empty = found.message_count() == 0 && found.consumer_count() == 0;
    Ok(!is_empty || asked_at.elapsed() < UNRESPONSIVE)
}

/// One partition, as seen by this replica.
#[derive(Debug, Default)]
pub struct Partition {
    /// Its queue.
    pub queue: String,
    is_busy: AtomicBool,
    give_back: Notify,
}

impl Partition {
    /// A partition that this replica subscribes to.
    pub fn of(queue: String) -> Arc<Self> {
        Arc::new(Self { queue, ..Self::default() })
    }

    /// Records whether this replica has messages of it.
    pub(super) fn set_busy(&self, is_busy: bool) {
        self.is_busy.store(is_busy, Ordering::Relaxed);
    }

    /// Waits until another replica should get it.
    pub(super) async fn wanted_elsewhere(&self) {
        self.give_back.notified().await;
    }
}

/// Releases the partitions above this replica's share, until the service stops.
pub async fn share(link: Link, service: String, partitions: Vec<Arc<Partition>>, stop: Stop) {
    // For a partition the broker counts only the active consumer. Every replica reads this queue.
    let read_by_all = format!("{service}.dead");
    loop {
        tokio::select! {
            () = stop.stopped() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        // If the broker does not respond, there is nothing to share.
        let replicas = consumers_of(&link, &read_by_all).await.ok().flatten().unwrap_or(1).max(1) as usize;
        let busy: Vec<_> = partitions.iter().filter(|partition| partition.is_busy.load(Ordering::Relaxed)).collect();
        for partition in busy.iter().skip(partitions.len().div_ceil(replicas)) {
            debug!(queue = partition.queue, replicas, "releasing this partition to another replica");
            partition.give_back.notify_one();
        }
    }
}
