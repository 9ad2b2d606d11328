//! One connection through a proxy: two streams, and how it ends.

use std::time::Duration;

use rand::{SeedableRng, rngs::StdRng};
use tokio::net::TcpStream;

use super::{
    Way,
    fault::until,
    stream::{End, Stream},
};

impl Way {
    /// Forwards one connection until it ends.
    pub async fn connect(self, mut near: TcpStream, number: u64) {
        let _open = Open::count(&self);
        let mut cut = self.cuts.subscribe();
        let Ok(mut far) = TcpStream::connect(&self.server).await else {
            let _ = near.set_zero_linger();
            return;
        };
        // Sliced data must arrive in slices.
        let _ = (near.set_nodelay(true), far.set_nodelay(true));
        let end = tokio::select! {
            // First in order: held data must not pass if the connection is cut and healed at the same moment.
            biased;
            _ = cut.changed() => End::Close,
            () = self.reset() => End::Reset,
            end = self.pass(&mut near, &mut far, number) => end,
        };
        if let End::Reset = end {
            let _ = (near.set_zero_linger(), far.set_zero_linger());
        }
    }

    async fn pass(&self, near: &mut TcpStream, far: &mut TcpStream, number: u64) -> End {
        let (from_near, to_near) = near.split();
        let (from_far, to_far) = far.split();
        let up = self.stream(true, number).pass(from_near, to_far);
        let down = self.stream(false, number).pass(from_far, to_near);
        tokio::try_join!(up, down).err().unwrap_or(End::Close)
    }

    fn stream(&self, up: bool, number: u64) -> Stream {
        let rng = StdRng::seed_from_u64(self.seed.rotate_left(32) ^ (number << 1) ^ u64::from(up));
        Stream { up, faults: self.faults.subscribe(), held: self.held.clone(), rng }
    }

    /// Completes when the connection must be reset.
    async fn reset(&self) {
        let mut faults = self.faults.subscribe();
        loop {
            until(&mut faults, |faults| faults.reset().is_some()).await;
            let after = faults.borrow().reset().unwrap_or(Duration::ZERO);
            tokio::select! {
                () = tokio::time::sleep(after) => return,
                () = until(&mut faults, |faults| faults.reset().is_none()) => {}
            }
        }
    }
}

/// Counts a connection as open while it exists.
struct Open(Way);

impl Open {
    fn count(way: &Way) -> Self {
        way.open.send_modify(|open| *open += 1);
        Self(way.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}
