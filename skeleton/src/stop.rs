//! Tells every part of the process, once, that it is time to stop; and before that, where somebody must hear of it
//! first, that it will be.

use std::sync::Arc;

use tokio_util::sync::{CancellationToken, DropGuard};

/// A way to say stop, and a way to hear it. When every sender is gone, that is heard as a stop too.
pub fn channel() -> (StopSender, Stop) {
    let stopped = CancellationToken::new();
    let stop = Stop { announced: stopped.child_token(), stopped: stopped.clone() };
    (StopSender { stop: stop.clone(), _at_the_end: Arc::new(stopped.drop_guard()) }, stop)
}

/// Says that it is time to stop.
#[derive(Clone, Debug)]
pub struct StopSender {
    stop: Stop,
    _at_the_end: Arc<DropGuard>,
}

impl StopSender {
    /// Says that it will be time soon: work still comes in, and whoever brings it may be told to go elsewhere.
    pub fn announce(&self) {
        self.stop.announced.cancel();
    }

    /// Says it to everyone who listens, now or later. That is an announcement as well.
    pub fn stop(&self) {
        self.stop.stopped.cancel();
    }
}

/// Hears that it is time to stop.
#[derive(Clone, Debug)]
pub struct Stop {
    announced: CancellationToken,
    stopped: CancellationToken,
}

impl Stop {
    /// Waits until it is time to stop.
    pub async fn stopped(&self) {
        self.stopped.cancelled().await;
    }

    /// Whether it is time to stop.
    pub fn is_stopped(&self) -> bool {
        self.stopped.is_cancelled()
    }

    /// Whether it is time to stop, or will be soon.
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
