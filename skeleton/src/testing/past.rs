//! Replays and rebuilds beside a running service.

use tokio::sync::watch;

use super::{TestApp, TestStore};
use crate::{
    messaging::history::{Range, Replayed},
    rebuild::{Rebuildable, Rebuilt},
    service::{RebuildOptions, Service, TaskError},
    stop::{self, Stop},
};

impl<S: TestStore + Rebuildable> TestApp<S> {
    /// Replays into the store of the app, as the service's command does.
    ///
    /// # Errors
    /// If it does not finish.
    pub async fn replay(&self, service: Service<S>, range: Range) -> Result<Replayed, TaskError> {
        let (_sender, never) = stop::channel();
        self.replay_until(never, watch::Sender::default(), service, range).await
    }

    /// The same, until the stop.
    ///
    /// # Errors
    /// If it fails.
    pub async fn replay_until(
        &self,
        stop: Stop,
        progress: watch::Sender<Replayed>,
        service: Service<S>,
        range: Range,
    ) -> Result<Replayed, TaskError> {
        service.replay(self.settings.clone(), range, false, progress, stop).await
    }

    /// Rebuilds in the store of the app, as the service's command does.
    ///
    /// # Errors
    /// If it does not finish.
    pub async fn rebuild(&self, service: Service<S>, options: RebuildOptions) -> Result<Rebuilt, TaskError> {
        let (_sender, never) = stop::channel();
        service.rebuild(self.settings.clone(), options, watch::Sender::default(), never).await
    }
}
