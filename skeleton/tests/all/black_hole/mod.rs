//! A way to a server that can be made to swallow everything: connections stay open and nothing comes through.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Stands before a server and forwards, or swallows.
pub struct BlackHole {
    address: SocketAddr,
    swallows: watch::Sender<bool>,
}

impl BlackHole {
    /// Forwards to this server.
    pub async fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the machine has a free port");
        let address = listener.local_addr().expect("the listener is bound");
        let (swallows, state) = watch::channel(false);
        let server = server.to_owned();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (server, state) = (server.clone(), state.clone());
                tokio::spawn(async move {
                    let far = TcpStream::connect(&server).await.expect("the server is there");
                    let (from_near, to_near) = near.into_split();
                    let (from_far, to_far) = far.into_split();
                    tokio::join!(pass(from_near, to_far, state.clone()), pass(from_far, to_near, state));
                });
            }
        });
        Self { address, swallows }
    }

    /// Where to connect instead of to the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From here on nothing comes through, and no connection is closed.
    pub fn swallow(&self) {
        self.swallows.send_replace(true);
    }

    /// From here on bytes come through again, on old connections and new ones.
    pub fn forward(&self) {
        self.swallows.send_replace(false);
    }
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut swallows: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count) = from.read(&mut bytes).await {
        if swallows.wait_for(|swallows| !swallows).await.is_err() || count == 0 {
            break;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            break;
        }
    }
    // The other side hears of an end as well.
    let _ = to.shutdown().await;
}
