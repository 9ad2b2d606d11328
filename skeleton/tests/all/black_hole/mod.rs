//! A way to a server that can be made to swallow everything: connections stay open and nothing comes through, or they
//! are cut and what was swallowed is gone.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Stands before a server and forwards, or swallows.
pub struct BlackHole {
    address: SocketAddr,
    way: Way,
}

/// What all connections know: whether bytes are held, how many from the near side are, and how often all was cut.
#[derive(Clone)]
struct Way {
    swallows: watch::Sender<bool>,
    held: watch::Sender<usize>,
    cuts: watch::Sender<()>,
}

impl BlackHole {
    /// Forwards to this server.
    pub async fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the machine has a free port");
        let address = listener.local_addr().expect("the listener is bound");
        let way =
            Way { swallows: watch::Sender::new(false), held: watch::Sender::new(0), cuts: watch::Sender::new(()) };
        let (server, to) = (server.to_owned(), way.clone());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(to.clone().connect(near, server.clone()));
            }
        });
        Self { address, way }
    }

    /// Where to connect instead of to the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From here on nothing comes through, and no connection is closed.
    pub fn swallow(&self) {
        self.way.held.send_replace(0);
        self.way.swallows.send_replace(true);
    }

    /// Waits until so many bytes of those who connected are swallowed.
    pub async fn has_swallowed(&self, bytes: usize) {
        let _ = self.way.held.subscribe().wait_for(|held| *held >= bytes).await;
    }

    /// Closes all connections; what is swallowed never arrives.
    pub fn cut(&self) {
        self.way.cuts.send_replace(());
    }

    /// From here on bytes come through again, on old connections and new ones.
    pub fn forward(&self) {
        self.way.swallows.send_replace(false);
    }
}

impl Way {
    async fn connect(self, near: TcpStream, server: String) {
        let mut cut = self.cuts.subscribe();
        let far = TcpStream::connect(&server).await.expect("the server is there");
        let (from_near, to_near) = near.into_split();
        let (from_far, to_far) = far.into_split();
        let passing = async { tokio::join!(self.pass(from_near, to_far, true), self.pass(from_far, to_near, false)) };
        tokio::select! {
            // First: what is swallowed must not slip through when bytes come through again in the same moment.
            biased;
            _ = cut.changed() => {}
            _ = passing => {}
        }
    }

    async fn pass(&self, mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, is_counted: bool) {
        let mut swallows = self.swallows.subscribe();
        let mut bytes = vec![0; 16 * 1024];
        while let Ok(count) = from.read(&mut bytes).await {
            if is_counted && *swallows.borrow() {
                self.held.send_modify(|held| *held += count);
            }
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
}
