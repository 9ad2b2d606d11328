//! Keeps one connection to the broker up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{Stream, StreamExt};
use lapin::{Connection, ErrorKind, Event, protocol::AMQPErrorKind};
use metrics::{counter, gauge};
use tokio::{
    sync::{Mutex, mpsc, watch},
    time::Instant,
};
use tracing::{info, warn};

use super::{BrokerError, Login};
use crate::{environment::Environment, stop::Stop};

/// A connection that works, as far as is known.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) connection: Arc<Connection>,
    pub(super) generation: u64,
}

/// An alarm of the broker, because memory or disk run low: it reads nothing from connections that publish.
pub(super) enum Alarm {
    /// None was raised on this connection.
    None,
    /// It is raised.
    Raised,
    /// It ended then.
    Ended(Instant),
}

/// Keeps a connection up.
pub(super) struct Keeper {
    pub(super) login: Arc<Login>,
    pub(super) name: String,
    pub(super) environment: Environment,
    pub(super) publish: watch::Sender<Option<Live>>,
    pub(super) failed: watch::Sender<Option<BrokerError>>,
    pub(super) alarm: watch::Sender<Alarm>,
    pub(super) reports: Mutex<mpsc::Receiver<u64>>,
    pub(super) generation: AtomicU64,
    /// Whether the metric `broker_connected` shows it. A temporary connection would stay there as lost for ever.
    pub(super) is_measured: bool,
}

impl Keeper {
    fn show(&self, is_connected: bool, is_blocked: bool) {
        if self.is_measured {
            gauge!("broker_connected", "connection" => self.name.clone()).set(f64::from(u8::from(is_connected)));
            gauge!("broker_blocked", "connection" => self.name.clone()).set(f64::from(u8::from(is_blocked)));
        }
    }

    /// Waits until a connection is lost, and returns the reason.
    async fn lost(
        &self,
        live: &Live,
        mut events: impl Stream<Item = Event> + Unpin,
        reports: &mut mpsc::Receiver<u64>,
        stop: &Stop,
    ) -> String {
        loop {
            tokio::select! {
                () = stop.stopped() => return "stopping".to_owned(),
                event = events.next() => match event {
                    // Left to the channel's user.
                    Some(Event::Error(error)) if closes_a_channel(&error) => {}
                    Some(Event::Error(error)) => return error.to_string(),
                    None => return "the connection ended".to_owned(),
                    Some(Event::ConnectionBlocked(reason)) => {
                        warn!(connection = self.name, reason, "the broker raised an alarm: it accepts no messages");
                        self.alarm.send_replace(Alarm::Raised);
                        self.show(true, true);
                    }
                    Some(Event::ConnectionUnblocked) => {
                        info!(connection = self.name, "the broker accepts messages again");
                        self.alarm.send_replace(Alarm::Ended(Instant::now()));
                        self.show(true, false);
                    }
                    Some(_) => {}
                },
                Some(reported) = reports.recv() => {
                    if reported == live.generation {
                        return "a channel failed".to_owned();
                    }
                }
                // There is no event for a connection that was dropped silently.
                () = tokio::time::sleep(Duration::from_secs(1)) => {
                    if !live.connection.status().connected() {
                        return "the connection is closed".to_owned();
                    }
                }
            }
        }
    }
}

pub(super) async fn keep_up(keeper: Arc<Keeper>, stop: Stop) {
    let Keeper { login, name, environment, publish, failed, reports, generation, .. } = &*keeper;
    let mut reports = reports.lock().await;
    publish.send_replace(None);
    let mut failures = 0u32;
    while !stop.is_stopped() {
        match login.connect(name).await {
            Ok(connection) => {
                if failures > 0 {
                    info!(connection = name, failures, "connected to the broker again");
                }
                failures = 0;
                failed.send_replace(None);
                let generation = generation.fetch_add(1, Ordering::Relaxed) + 1;
                if keeper.is_measured {
                    counter!("broker_connections_total", "connection" => name.clone()).increment(1);
                }
                keeper.show(true, false);
                let live = Live { connection: Arc::new(connection), generation };
                // Before anybody publishes: an alarm is raised at the first message.
                let events = std::pin::pin!(live.connection.events_listener());
                publish.send_replace(Some(live.clone()));
                let why = keeper.lost(&live, events, &mut reports, &stop).await;
                publish.send_replace(None);
                keeper.alarm.send_replace(Alarm::None);
                keeper.show(false, false);
                let _ = tokio::time::timeout(Duration::from_secs(1), live.connection.close(200, "bye".into())).await;
                if !stop.is_stopped() {
                    warn!(connection = name, why, "lost the connection to the broker");
                }
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                if is_told(failures) {
                    warn!(connection = name, %error, failures, "failed to connect to the broker; retrying");
                }
                failed.send_replace(Some(error));
            }
        }
        let wait = back_off(failures, login.longest_wait, environment);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.stopped() => {}
        }
    }
}

/// Whether this failure in a row is logged: the first, the second, the fourth and so on, and later every 256th, so that
/// the cause is never far up in the log.
fn is_told(failures: u32) -> bool {
    failures.is_power_of_two() || failures.is_multiple_of(256)
}

/// Whether an error ends only a channel.
pub(super) fn closes_a_channel(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error) if matches!(error.kind(), AMQPErrorKind::Soft(_)))
}

/// Exponential back-off with full jitter, so that replicas do not reconnect at the same time.
fn back_off(failures: u32, longest: Duration, environment: &Environment) -> Duration {
    let full = Duration::from_millis(100).saturating_mul(1 << failures.min(10)).min(longest);
    full.mul_f64(environment.fraction())
}
