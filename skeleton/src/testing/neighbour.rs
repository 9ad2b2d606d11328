//! Other services in the world of the service under test.

use super::{Provisioned, TestStore};
use crate::{
    config::Settings,
    environment::Environment,
    service::{Running, Service},
};

/// Another service in a test's world; the test starts and stops it.
pub struct Neighbour<S: TestStore> {
    provisioned: Provisioned,
    settings: Settings,
    environment: Environment,
    running: Option<Running<S>>,
}

impl<S: TestStore> Neighbour<S> {
    pub(super) fn new(provisioned: Provisioned, settings: Settings, environment: Environment) -> Self {
        Self { provisioned, settings, environment, running: None }
    }

    /// Starts it, possibly again, on the same queues and store.
    pub async fn start(&mut self, service: Service<S>) {
        let name = service.name();
        let starting = Box::pin(service.start(self.settings.clone(), self.environment.clone()));
        self.running = Some(starting.await.unwrap_or_else(|error| panic!("{name}: {error}")));
    }

    /// Its store, while it runs.
    pub fn store(&self) -> &S {
        &self.running().app.store
    }

    /// The running service.
    ///
    /// # Panics
    /// If it does not run.
    pub fn running(&self) -> &Running<S> {
        self.running.as_ref().expect("the service runs")
    }

    /// Stops it; its queues and its store stay.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            assert!(running.stop().await, "the service did not stop in time");
        }
    }

    /// Stops it and removes its store.
    pub async fn remove(mut self) {
        self.stop().await;
        S::remove(self.provisioned).await;
    }
}
