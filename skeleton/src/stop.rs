//! Tells every part of the process, once, that it is time to stop; and before that, where somebody must hear of it
//! first, that it will be.

use tokio::sync::watch;

/// How far the stop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    Announced,
    Stopped,
}

/// A way to say stop, and a way to hear it. When every sender is gone, that is heard as a stop too.
pub fn channel() -> (StopSender, Stop) {
    let (sender, receiver) = watch::channel(Stage::Running);
    (StopSender(sender), Stop(receiver))
}

/// Says that it is time to stop.
#[derive(Clone, Debug)]
pub struct StopSender(watch::Sender<Stage>);

impl StopSender {
    /// Says that it will be time soon: work still comes in, and whoever brings it may be told to go elsewhere.
    pub fn announce(&self) {
        self.raise(Stage::Announced);
    }

    /// Says it to everyone who listens, now or later.
    pub fn stop(&self) {
        self.raise(Stage::Stopped);
    }

    fn raise(&self, to: Stage) {
        self.0.send_if_modified(|stage| {
            let is_further = to > *stage;
            *stage = to.max(*stage);
            is_further
        });
    }
}

/// Hears that it is time to stop.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<Stage>);

impl Stop {
    /// Waits until it is time to stop.
    pub async fn stopped(&self) {
        let _ = self.0.clone().wait_for(|stage| *stage == Stage::Stopped).await;
    }

    /// Whether it is time to stop.
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow() == Stage::Stopped || self.0.has_changed().is_err()
    }

    /// Whether it is time to stop, or will be soon.
    pub fn is_announced(&self) -> bool {
        *self.0.borrow() >= Stage::Announced || self.0.has_changed().is_err()
    }
}
