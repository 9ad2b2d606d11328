//! Starting the consumers of a running service.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use tracing::warn;

use super::{assembly::Queues, running::Phase};
use crate::{
    config::BrokerSettings,
    messaging::{
        consumer::{self, Queue},
        rabbit::{Link, Partition, RabbitDeliveries, event_queues, former_event_queues, share},
    },
    stop::Stop,
    store::Store,
};

/// The wait before the broker is asked again for queues of an earlier number of partitions.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

impl Phase {
    /// Consumes all queues of the service.
    pub(super) fn consume_queues<S: Store>(
        &mut self,
        queues: Queues<S>,
        link: &Link,
        broker: &BrokerSettings,
        stop: &Stop,
    ) {
        if let Some(events) = queues.events {
            self.consume_events(Arc::new(events), link, broker, stop);
        }
        if let Some(jobs) = queues.jobs {
            // One at a time: a step of a job may be long, and other replicas should get their share.
            self.consume("jobs consumer", Arc::new(jobs), link, 1, 1, stop);
        }
        self.consume("dead-letter consumer", Arc::new(queues.dead), link, 16, 1, stop);
    }

    /// Consumes a queue, and handles its set-aside messages.
    fn consume<S: Store>(
        &mut self,
        part: &'static str,
        queue: Arc<Queue<S>>,
        link: &Link,
        prefetch: u16,
        batch: usize,
        stop: &Stop,
    ) {
        let (link, name) = (link.clone(), queue.name.clone());
        let deliveries = move || RabbitDeliveries::new(link.clone(), name.clone(), prefetch);
        self.read(part, queue.clone(), deliveries, batch, stop);
        self.retry(queue, stop);
    }

    /// Consumes the service's events, from one queue or from one per partition, and the rest of queues from an earlier
    /// number of partitions.
    fn consume_events<S: Store>(&mut self, queue: Arc<Queue<S>>, link: &Link, broker: &BrokerSettings, stop: &Stop) {
        const PART: &str = "events consumer";
        let (prefetch, batch) = (broker.prefetch, broker.batch);
        let (service, count) = (queue.service.name.clone(), broker.partitions);
        if count > 1 {
            let partitions: Vec<_> = event_queues(&service, count).into_iter().map(Partition::of).collect();
            for partition in partitions.clone() {
                let link = link.clone();
                let deliveries = move || RabbitDeliveries::of_partition(link.clone(), partition.clone(), prefetch);
                self.read(PART, queue.clone(), deliveries, batch, stop);
            }
            let (link, service, stopping) = (link.clone(), service.clone(), stop.clone());
            self.supervise("partitions", stop.clone(), move || {
                share(link.clone(), service.clone(), partitions.clone(), stopping.clone())
            });
            self.retry(queue.clone(), stop);
        } else {
            self.consume(PART, queue.clone(), link, prefetch, batch, stop);
        }
        let (link, stopping) = (link.clone(), stop.clone());
        self.supervise("former partitions", stop.clone(), move || {
            let (queue, link, service, stop) = (queue.clone(), link.clone(), service.clone(), stopping.clone());
            async move {
                let former = loop {
                    tokio::select! {
                        () = stop.stopped() => return,
                        former = former_event_queues(&link, &service, count) => match former {
                            Ok(former) => break former,
                            Err(error) => warn!(%error, "failed to look for queues of former partitions; retrying"),
                        },
                    }
                    tokio::select! {
                        () = stop.stopped() => return,
                        () = tokio::time::sleep(BETWEEN_LOOKS) => {}
                    }
                };
                join_all(former.into_iter().map(|name| {
                    let deliveries = RabbitDeliveries::until_gone(link.clone(), name, prefetch);
                    consumer::consume(queue.clone(), deliveries, batch, stop.clone())
                }))
                .await;
                // All of them are read to their end.
                stop.stopped().await;
            }
        });
    }

    /// Reads a queue.
    fn read<S: Store>(
        &mut self,
        part: &'static str,
        queue: Arc<Queue<S>>,
        deliveries: impl Fn() -> RabbitDeliveries + Send + 'static,
        batch: usize,
        stop: &Stop,
    ) {
        let stopping = stop.clone();
        self.supervise(part, stop.clone(), move || {
            consumer::consume(queue.clone(), deliveries(), batch, stopping.clone())
        });
    }

    /// Handles the set-aside messages of a queue when they are due.
    fn retry<S: Store>(&mut self, queue: Arc<Queue<S>>, stop: &Stop) {
        let stopping = stop.clone();
        self.supervise("retries", stop.clone(), move || consumer::retry_due(queue.clone(), stopping.clone()));
    }
}
