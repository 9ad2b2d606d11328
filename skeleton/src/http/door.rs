//! Admits connections, within the limits on their number.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use super::HttpSettings;

const ACCEPT_BACK_OFF: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(1)];

/// Admits connections while there is room for them.
pub(super) struct Door {
    pub(super) places: Arc<Semaphore>,
    pub(super) by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
    pub(super) settings: HttpSettings,
}

/// The slot of a connection, freed when it is dropped.
pub(super) struct ConnectionSlot {
    pub(super) address: IpAddr,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
    _permit: OwnedSemaphorePermit,
}

impl Door {
    /// The next connection that there is room for.
    pub(super) async fn next(&self, listener: &TcpListener) -> (TcpStream, ConnectionSlot) {
        loop {
            let permit = Arc::clone(&self.places).acquire_owned().await.expect("the semaphore is never closed");
            let (stream, address) = accept(listener).await;
            match self.place(address, permit) {
                Some(place) => return (stream, place),
                None => metrics::counter!("http_connections_refused_total").increment(1),
            }
        }
    }

    fn place(&self, address: IpAddr, permit: OwnedSemaphorePermit) -> Option<ConnectionSlot> {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_address.entry(address).or_default();
        if *count >= self.settings.max_connections_per_address && self.settings.trusted_proxies == 0 {
            return None;
        }
        *count += 1;
        Some(ConnectionSlot { address, by_address: Arc::clone(&self.by_address), _permit: permit })
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, IpAddr) {
    let [mut back_off, longest] = ACCEPT_BACK_OFF;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer.ip().to_canonical()),
            // Usually too many open files: an immediate retry would only use CPU.
            Err(error) => {
                tracing::warn!(failure = %error, "failed to accept a connection");
                sleep(back_off).await;
                back_off = longest.min(back_off * 2);
            }
        }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}
