//! The stop signal for every part of the process, and an announcement that precedes it.

use std::sync::Arc;

use tokio_util::sync::{CancellationToken, DropGuard};

/// Creates a stop signal. If every sender is dropped, the receivers see a stop too.
pub fn channel() -> (StopSender, Stop) {
    let stopped = CancellationToken::new();
    let stop = Stop { announced: stopped.child_token(), stopped: stopped.clone() };
    (StopSender { stop: stop.clone(), _at_the_end: Arc::new(stopped.drop_guard()) }, stop)
}

/// Sends the stop signal.
#[derive(Clone, Debug)]
pub struct StopSender {
    stop: Stop,
    _at_the_end: Arc<DropGuard>,
}

impl StopSender {
    /// Announces the stop: work is still accepted, and its callers may be directed to another replica.
    pub fn announce(&self) {
        self.stop.announced.cancel();
    }

    /// Stops all present and future receivers. A stop implies the announcement.
    pub fn stop(&self) {
        self.stop.stopped.cancel();
    }
}

/// Receives the stop signal.
#[derive(Clone, Debug)]
pub struct Stop {
    announced: CancellationToken,
    stopped: CancellationToken,
}

impl Stop {
    /// Waits for the stop.
    pub async fn stopped(&self) {
        self.stopped.cancelled().await;
    }

    /// Whether the stop was signalled.
    pub fn is_stopped(&self) -> bool {
        self.stopped.is_cancelled()
    }

    /// Whether the stop was announced or signalled.
    pub fn is_announced(&self) -> bool {
        self.announced.is_cancelled()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn heard(stop: &Stop) -> (bool, bool, bool) {
        (stop.is_announced(), stop.is_stopped(), stop.stopped().now_or_never().is_some())
    }

    #[test]
    fn an_announcement_is_no_stop_and_a_stop_is_an_announcement() {
        let (sender, stop) = channel();
        assert_eq!(heard(&stop), (false, false, false));
        sender.announce();
        assert_eq!(heard(&stop), (true, false, false));
        sender.stop();
        assert_eq!(heard(&stop), (true, true, true));
    }

    #[test]
    fn the_last_sender_that_is_dropped_is_heard_as_a_stop() {
        let (sender, stop) = channel();
        let another = sender.clone();
        drop(sender);
        assert_eq!(heard(&stop), (false, false, false));
        drop(another);
        assert_eq!(heard(&stop), (true, true, true));
    }
}
