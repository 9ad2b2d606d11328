//! A proxy in front of a server that injects network faults, for tests and the chaos runner.
//!
//! Its faults have toxiproxy's names. They apply to open and new connections until [`Proxy::heal`]; several can be
//! active at once. All randomness comes from a seed. Limits: the proxy accepts a TCP connection even in a black hole,
//! and while the server itself is down (it is reset then). For a port that does not answer, use [`Fault::Refuse`].
//!
//! ```ignore
//! let proxy = Proxy::before("127.0.0.1:5672").await;
//! let service = start(&format!("amqp://contacts@{}/kith", proxy.address())).await;
//! proxy.fault_down(Fault::Timeout);    // data still reaches the broker, its answers are held
//! proxy.cut();                         // and the held answers are lost
//! proxy.heal();
//! ```

mod connection;
mod door;
mod fault;
mod stream;

use std::net::SocketAddr;

use tokio::{sync::watch, task::AbortHandle};

use door::Door;
pub use fault::Fault;
use fault::Faults;

/// A proxy in front of a server: forwards data and injects faults. When dropped, it closes all connections.
pub struct Proxy {
    address: SocketAddr,
    way: Way,
    accepting: AbortHandle,
}

/// The state that all connections share.
#[derive(Clone)]
struct Way {
    server: String,
    seed: u64,
    faults: watch::Sender<Faults>,
    /// How many bytes from clients have entered a black hole.
    held: watch::Sender<usize>,
    /// How many connections are open.
    open: watch::Sender<usize>,
    cuts: watch::Sender<()>,
}

impl Proxy {
    /// Forwards to this server, `address:port`.
    ///
    /// # Panics
    /// If the machine has no free port.
    pub async fn before(server: &str) -> Self {
        Self::with_seed(server, 0).await
    }

    /// The same, with another seed.
    ///
    /// # Panics
    /// If the machine has no free port.
    pub async fn with_seed(server: &str, seed: u64) -> Self {
        let door = Door::open();
        let address = door.address();
        let way = Way {
            server: server.to_owned(),
            seed,
            faults: watch::Sender::default(),
            held: watch::Sender::default(),
            open: watch::Sender::default(),
            cuts: watch::Sender::default(),
        };
        let accepting = tokio::spawn(door.accept(way.clone())).abort_handle();
        Self { address, way, accepting }
    }

    /// The address to use instead of the server's.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a fault in both directions.
    pub fn fault(&self, fault: Fault) {
        self.change(|faults| faults.put(&[true, false], fault));
    }

    /// Adds a fault to data sent to the server.
    pub fn fault_up(&self, fault: Fault) {
        self.change(|faults| faults.put(&[true], fault));
    }

    /// Adds a fault to data from the server.
    pub fn fault_down(&self, fault: Fault) {
        self.change(|faults| faults.put(&[false], fault));
    }

    /// Ends all faults: held data passes.
    pub fn heal(&self) {
        self.change(Faults::end);
    }

    /// Closes all connections. Data that was held or late never arrives.
    pub fn cut(&self) {
        self.way.cuts.send_replace(());
    }

    /// Waits until this many bytes from clients have entered the black hole.
    pub async fn holds(&self, bytes: usize) {
        let _ = self.way.held.subscribe().wait_for(|held| *held >= bytes).await;
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        *self.way.open.borrow()
    }

    fn change(&self, change: impl FnOnce(&mut Faults)) {
        self.way.held.send_replace(0);
        self.way.faults.send_modify(change);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
