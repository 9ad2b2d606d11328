//! One connection to the broker, reconnected whenever it is lost.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use lapin::{
    Channel, Consumer,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use metrics::gauge;
use tokio::{
    sync::{Mutex, mpsc, watch},
    time::Instant,
};

use super::{
    BrokerError, Login, answered, answered_while_open,
    keeper::{Alarm, Keeper, Live, keep_up},
};
use crate::{
    environment::Environment,
    stop::{self, Stop, StopSender},
    supervision::{Failing, supervised},
};

/// One connection to the broker. Clones share the connection.
#[derive(Clone)]
pub struct Link {
    login: Arc<Login>,
    name: Arc<str>,
    environment: Environment,
    current: watch::Receiver<Option<Live>>,
    broken: mpsc::Sender<u64>,
    failure: watch::Receiver<Option<BrokerError>>,
    alarm: watch::Receiver<Alarm>,
    /// The attempts to consume a queue that the broker has not answered in time, until they end.
    late: Arc<std::sync::Mutex<HashMap<String, watch::Receiver<()>>>>,
}

impl Link {
    /// Connects, and reconnects whenever the connection is lost, until the service stops.
    pub fn open(login: Login, name: String, environment: Environment, stop: Stop) -> Self {
        // Until the first connection, so that an alert sees a service that never gets one.
        gauge!("broker_connected", "connection" => name.clone()).set(0.0);
        Self::open_as(Arc::new(login), name, environment, stop, true)
    }

    fn open_as(login: Arc<Login>, name: String, environment: Environment, stop: Stop, is_measured: bool) -> Self {
        let (publish, current) = watch::channel(None);
        let (broken, reports) = mpsc::channel(16);
        let (failed, failure) = watch::channel(None);
        let (announce, alarm) = watch::channel(Alarm::None);
        let keeper = Arc::new(Keeper {
            login: login.clone(),
            name: name.clone(),
            environment: environment.clone(),
            publish,
            failed,
            alarm: announce,
            reports: Mutex::new(reports),
            generation: AtomicU64::new(0),
            is_measured,
        });
        let start = {
            let stop = stop.clone();
            move || keep_up(keeper.clone(), stop.clone())
        };
        tokio::spawn(supervised("broker connection", Failing::default(), stop, start));
        Self { login, name: name.into(), environment, current, broken, failure, alarm, late: Arc::default() }
    }

    /// Opens another connection with the same login. It is closed when the result is dropped.
    pub(crate) fn beside(&self, purpose: &str) -> OwnLink {
        let (closer, stop) = stop::channel();
        let name = format!("{} {purpose}", self.name);
        let link = Self::open_as(self.login.clone(), name, self.environment.clone(), stop, false);
        OwnLink { link, _closer: closer }
    }

    /// The user at the broker.
    pub fn user(&self) -> &str {
        self.login.user()
    }

    /// Whether there is a connection now.
    pub fn is_up(&self) -> bool {
        self.current.borrow().is_some()
    }

    /// Whether the broker has raised an alarm: it reads nothing from a connection that publishes until the alarm ends.
    pub(crate) fn is_blocked(&self) -> bool {
        matches!(*self.alarm.borrow(), Alarm::Raised)
    }

    /// Waits for the end of an alarm.
    async fn unblocked(&self) {
        // An error means that the process is stopping.
        let _ = self.alarm.clone().wait_for(|alarm| !matches!(alarm, Alarm::Raised)).await;
    }

    /// Waits for the broker's response to a message until a point in time. The time of an alarm does not count: after
    /// its end, the broker has the whole limit again.
    pub(super) async fn responded<T>(
        &self,
        mut until: Instant,
        limit: Duration,
        asked: impl Future<Output = T>,
    ) -> Option<T> {
        let (mut asked, mut alarm) = (std::pin::pin!(asked), self.alarm.clone());
        loop {
            if let Ok(response) = tokio::time::timeout_at(until, &mut asked).await {
                return Some(response);
            }
            tokio::select! {
                biased;
                response = &mut asked => return Some(response),
                ended = alarm.wait_for(|alarm| !matches!(alarm, Alarm::Raised)) => match ended.as_deref() {
                    Ok(Alarm::Ended(at)) if *at + limit > until => until = *at + limit,
                    _ => return None,
                },
            }
        }
    }

    /// Why there is no connection: the error of the last attempt.
    pub(crate) fn why_down(&self) -> String {
        self.failure.borrow().as_ref().map_or_else(|| "not connected".to_owned(), ToString::to_string)
    }

    /// Waits for the outcome of the first attempt to connect.
    ///
    /// # Errors
    /// If the attempt failed.
    pub(crate) async fn first_attempt(&self) -> Result<(), BrokerError> {
        let mut failure = self.failure.clone();
        tokio::select! {
            live = self.live() => live.map(drop),
            Ok(error) = failure.wait_for(Option::is_some) => error.clone().map_or(Ok(()), Err),
        }
    }

    /// Waits for a connection, and for the end of an alarm, and opens a channel on it. The number is the connection's
    /// generation.
    ///
    /// # Errors
    /// If the broker refuses the channel, or the link was stopped.
    pub(crate) async fn channel(&self) -> Result<(Channel, u64), BrokerError> {
        // The broker would not open it.
        self.unblocked().await;
        let live = self.live().await?;
        match answered(live.connection.create_channel()).await {
            Ok(channel) => Ok((channel, live.generation)),
            Err(error) => {
                self.report_broken(live.generation);
                Err(error)
            }
        }
    }

    /// Starts to consume a queue over a new channel, within a time limit for the broker's response.
    ///
    /// If the limit passes, only this channel is abandoned: a consumer that starts later is cancelled. Until then the
    /// queue is not consumed again over this link: each attempt would leave a channel.
    ///
    /// # Errors
    /// If the broker refuses, or does not respond in time.
    pub async fn consume(
        &self,
        queue: &str,
        prefetch: u16,
        options: BasicConsumeOptions,
        arguments: FieldTable,
        within: Duration,
    ) -> Result<(Channel, Consumer), BrokerError> {
        let late = self.late.lock().unwrap_or_else(PoisonError::into_inner).get(queue).cloned();
        if let Some(mut late) = late {
            // An error means that the attempt has ended.
            let ended = tokio::time::timeout(within, late.changed()).await;
            ended.map(drop).map_err(|_| BrokerError::Timeout(within))?;
        }
        let (channel, _) = self.channel().await?;
        let mut consuming = Box::pin(start_consumer(channel.clone(), queue.to_owned(), prefetch, options, arguments));
        match tokio::time::timeout(within, &mut consuming).await {
            Ok(consumer) => Ok((channel, consumer?)),
            Err(_) => {
                let (attempt, late) = watch::channel(());
                self.late.lock().unwrap_or_else(PoisonError::into_inner).insert(queue.to_owned(), late);
                let (queue, all) = (queue.to_owned(), self.late.clone());
                tokio::spawn(async move {
                    abandon(channel, consuming).await;
                    all.lock().unwrap_or_else(PoisonError::into_inner).remove(&queue);
                    drop(attempt);
                });
                Err(BrokerError::Timeout(within))
            }
        }
    }

    /// Waits until there is a connection, or there will never be one.
    pub(crate) async fn up(&self) {
        // An error means that the process is stopping, which callers learn from the stop signal.
        let _ = self.live().await;
    }

    async fn live(&self) -> Result<Live, BrokerError> {
        let mut current = self.current.clone();
        let live = current.wait_for(Option::is_some).await.map_err(|_| BrokerError::Closed)?;
        live.clone().ok_or(BrokerError::Closed)
    }

    /// Reports that a connection no longer works, so that a new one is made.
    pub(crate) fn report_broken(&self, generation: u64) {
        // A full channel means that it was reported already.
        let _ = self.broken.try_send(generation);
    }
}

/// A connection for one purpose, closed when dropped.
pub(crate) struct OwnLink {
    link: Link,
    _closer: StopSender,
}

impl std::ops::Deref for OwnLink {
    type Target = Link;

    fn deref(&self) -> &Link {
        &self.link
    }
}

/// Requests a consumer. The prefetch limit and the consumer are sent together and awaited together.
async fn start_consumer(
    channel: Channel,
    queue: String,
    prefetch: u16,
    options: BasicConsumeOptions,
    arguments: FieldTable,
) -> lapin::Result<Consumer> {
    let limited = channel.basic_qos(prefetch, BasicQosOptions::default());
    let consuming = channel.basic_consume(queue.into(), "".into(), options, arguments);
    let ((), consumer) = tokio::try_join!(limited, consuming)?;
    Ok(consumer)
}

/// Cancels a consumer that starts too late, so that it holds no messages. The channel is closed after the cancellation:
/// lapin drops the whole connection if a message arrives on a channel that is being closed.
async fn abandon(channel: Channel, consuming: impl Future<Output = lapin::Result<Consumer>>) {
    if let Some(Ok(consumer)) = answered_while_open(&channel, consuming).await {
        let _ = answered(channel.basic_cancel(consumer.tag(), BasicCancelOptions::default())).await;
        let _ = answered(channel.close(200, "bye".into())).await;
    }
}
