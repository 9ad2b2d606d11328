//! The port of a proxy: listening, or bound without a listener.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinSet,
};

use super::{Way, fault::until};

/// More than any test opens at once.
const WAITING: u32 = 1024;

/// A listening port.
pub struct Door {
    address: SocketAddr,
    listener: TcpListener,
}

impl Door {
    /// Listens on any free port.
    pub fn open() -> Self {
        let listener = listen(bound((Ipv4Addr::LOCALHOST, 0).into()));
        let address = listener.local_addr().expect("the listener is bound");
        Self { address, listener }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts connections unless they must be refused. They end with this future.
    pub async fn accept(self, way: Way) {
        let (address, mut listener) = (self.address, self.listener);
        let mut faults = way.faults.subscribe();
        let mut connections = JoinSet::new();
        let mut count = 0;
        loop {
            let accepted = tokio::select! {
                biased;
                () = until(&mut faults, |faults| faults.refuses()) => None,
                accepted = listener.accept() => accepted.ok(),
                _ = connections.join_next(), if !connections.is_empty() => continue,
            };
            if let Some((near, _)) = accepted {
                connections.spawn(way.clone().connect(near, count));
                count += 1;
            } else {
                connections.shutdown().await;
                drop(listener);
                // Bound but not listening: no other process can take the port, and connections are refused.
                let kept = bound(address);
                until(&mut faults, |faults| !faults.refuses()).await;
                listener = listen(kept);
            }
        }
    }
}

fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("the machine has sockets");
    socket.set_reuseaddr(true).expect("any socket has this option");
    socket.bind(address).expect("the port is free");
    socket
}

fn listen(socket: TcpSocket) -> TcpListener {
    socket.listen(WAITING).expect("the port is ours")
}
