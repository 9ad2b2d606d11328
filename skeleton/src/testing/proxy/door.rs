//! The port of a proxy: open, or kept without anybody listening on it.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinSet,
};

use super::{Way, fault::until};

/// More than any test opens at once.
const WAITING: u32 = 1024;

/// A port of its own, with somebody listening on it.
pub struct Door {
    address: SocketAddr,
    listener: TcpListener,
}

impl Door {
    /// On any free port.
    pub fn open() -> Self {
        let listener = listen(bound((Ipv4Addr::LOCALHOST, 0).into()));
        let address = listener.local_addr().expect("the listener is bound");
        Self { address, listener }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes connections in, while it is not told to refuse them. They end with it.
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
                // Bound and not listening: nobody else can take the port, and who connects is refused.
                let kept = bound(address);
                until(&mut faults, |faults| !faults.refuses()).await;
                listener = listen(kept);
            }
        }
    }
}

fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("the machine has sockets");
    socket.set_reuseaddr(true).expect("any socket can be told so");
    socket.bind(address).expect("the port is free");
    socket
}

fn listen(socket: TcpSocket) -> TcpListener {
    socket.listen(WAITING).expect("the port is ours")
}
