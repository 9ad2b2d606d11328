//! Tells every part of the process, once, that it is time to stop.

use tokio::sync::watch;

/// A way to say stop, and a way to hear it. When every sender is gone, that is heard as a stop too.
pub fn channel() -> (StopSender, Stop) {
    let (sender, receiver) = watch::channel(false);
    (StopSender(sender), Stop(receiver))
}

/// Says that it is time to stop.
#[derive(Clone, Debug)]
pub struct StopSender(watch::Sender<bool>);

impl StopSender {
    /// Says it to everyone who listens, now or later.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// Hears that it is time to stop.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Waits until it is time to stop.
    pub async fn stopped(&self) {
        let _ = self.0.clone().wait_for(|stopped| *stopped).await;
    }

    /// Whether it is time to stop.
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}
