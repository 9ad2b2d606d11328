//! A load balancer like an orchestrator's: it sends requests to ready gateways, and checks readiness often.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use reqwest::Client;

use super::place::Place;

/// The interval of readiness checks.
const EVERY: Duration = Duration::from_millis(100);

/// The timeout of a readiness check.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Distributes requests to gateways in turn. Clones share their state.
#[derive(Clone, Default)]
pub struct Balancer {
    gateways: Arc<Mutex<Vec<Gateway>>>,
    turn: Arc<AtomicUsize>,
}

struct Gateway {
    place: Place,
    is_ready: bool,
}

impl Balancer {
    /// Adds a gateway.
    pub fn add(&self, place: Place) {
        self.with(|gateways| gateways.push(Gateway { place, is_ready: false }));
    }

    /// Removes a gateway.
    pub fn remove(&self, place: &Place) {
        self.with(|gateways| gateways.retain(|gateway| gateway.place != *place));
    }

    /// Whether it sends requests to this gateway.
    pub fn uses(&self, place: &Place) -> bool {
        self.with(|gateways| gateways.iter().any(|gateway| gateway.place == *place && gateway.is_ready))
    }

    /// The address of the next ready gateway.
    ///
    /// # Errors
    /// If no gateway is ready.
    pub fn next(&self) -> Result<String> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let ready = |gateways: &mut Vec<Gateway>| {
            let ready: Vec<_> = gateways.iter().filter(|gateway| gateway.is_ready).collect();
            let next = ready.get(turn % ready.len().max(1))?;
            Some(next.place.public.clone())
        };
        self.with(ready).context("no gateway is ready")
    }

    /// Checks the readiness of all gateways forever.
    pub async fn look(&self) {
        let client = Client::builder().timeout(TIMEOUT).build().unwrap_or_default();
        loop {
            let places = self.with(|gateways| gateways.iter().map(|gateway| gateway.place.clone()).collect::<Vec<_>>());
            for place in places {
                let is_ready = place.is_ready(&client).await;
                self.with(|gateways| {
                    for gateway in gateways.iter_mut().filter(|gateway| gateway.place == place) {
                        gateway.is_ready = is_ready;
                    }
                });
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Vec<Gateway>) -> T) -> T {
        look(&mut self.gateways.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
