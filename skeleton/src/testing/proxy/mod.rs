//! A proxy that stands before a server and does to its connections what networks do, for tests and the chaos runner.
//!
//! Its faults have the names that toxiproxy gives them. They hold for the connections that are open and for those that
//! come, until [`Proxy::heal`]; several hold at once. Whatever is of chance comes from a seed. What it cannot do: a TCP
//! connection is accepted even in a black hole, and while the server itself is down (it is reset then). A port that
//! answers nobody is [`Fault::Refuse`].
//!
//! ```ignore
//! let proxy = Proxy::before("127.0.0.1:5672").await;
//! let service = start(&format!("amqp://contacts@{}/kith", proxy.address())).await;
//! proxy.fault_down(Fault::Timeout);    // the broker hears, but nobody hears the broker
//! proxy.cut();                         // and what it said is lost
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

/// Stands before a server: forwards, and does what it is told to connections. Dropped, it closes them all.
pub struct Proxy {
    address: SocketAddr,
    way: Way,
    accepting: AbortHandle,
}

/// What all connections know.
#[derive(Clone)]
struct Way {
    server: String,
    seed: u64,
    faults: watch::Sender<Faults>,
    /// How many bytes from the side that connected came into a black hole.
    held: watch::Sender<usize>,
    /// How many connections are open.
    open: watch::Sender<usize>,
    cuts: watch::Sender<()>,
}

impl Proxy {
    /// Forwards to this server, `address:port`.
    ///
    /// # Panics
    /// Where the machine has no free port.
    pub async fn before(server: &str) -> Self {
        Self::with_seed(server, 0).await
    }

    /// The same, with another chance.
    ///
    /// # Panics
    /// Where the machine has no free port.
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

    /// Where to connect instead of to the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From here on this happens, to what goes up to the server and to what comes down from it.
    pub fn fault(&self, fault: Fault) {
        self.change(|faults| faults.put(&[true, false], fault));
    }

    /// From here on this happens to what goes up to the server.
    pub fn fault_up(&self, fault: Fault) {
        self.change(|faults| faults.put(&[true], fault));
    }

    /// From here on this happens to what comes down from the server.
    pub fn fault_down(&self, fault: Fault) {
        self.change(|faults| faults.put(&[false], fault));
    }

    /// Ends all faults: what was held goes on.
    pub fn heal(&self) {
        self.change(Faults::end);
    }

    /// Closes all connections. What was held in a black hole or was late never arrives.
    pub fn cut(&self) {
        self.way.cuts.send_replace(());
    }

    /// Waits until so many bytes of those who connected have come into the black hole.
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
