//! A balancer as an orchestrator has one: it hands requests to the gateways whose readiness is on, and looks often.

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

/// How often readiness is looked at.
const EVERY: Duration = Duration::from_millis(100);

/// How long an answer to that may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Hands requests to gateways in turn. A clone is the same.
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
    /// Looks after a gateway from now on.
    pub fn add(&self, place: Place) {
        self.with(|gateways| gateways.push(Gateway { place, is_ready: false }));
    }

    /// Forgets one.
    pub fn remove(&self, place: &Place) {
        self.with(|gateways| gateways.retain(|gateway| gateway.place != *place));
    }

    /// Whether it hands requests to this one.
    pub fn uses(&self, place: &Place) -> bool {
        self.with(|gateways| gateways.iter().any(|gateway| gateway.place == *place && gateway.is_ready))
    }

    /// The address of the next ready gateway.
    ///
    /// # Errors
    /// Where none is ready.
    pub fn next(&self) -> Result<String> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let ready = |gateways: &mut Vec<Gateway>| {
            let ready: Vec<_> = gateways.iter().filter(|gateway| gateway.is_ready).collect();
            let next = ready.get(turn % ready.len().max(1))?;
            Some(next.place.public.clone())
        };
        self.with(ready).context("no gateway is ready")
    }

    /// Looks at the readiness of all, for ever.
    pub async fn look(&self) {
        let client = Client::builder().timeout(PATIENCE).build().unwrap_or_default();
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
