//! One direction of a connection: data that was read waits for its due time and passes, whole or in pieces.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

use super::fault::{Fault, Faults, until};

/// The size of a read, and the most reads that may be in transit.
const READ: usize = 16 * 1024;
const ON_ITS_WAY: usize = 64;

/// With low bandwidth, a piece is written this often per second.
const PIECES_PER_SECOND: usize = 20;

/// How a connection ends.
pub enum End {
    Close,
    Reset,
}

/// One direction of a connection.
pub struct Stream {
    pub up: bool,
    pub faults: watch::Receiver<Faults>,
    pub held: watch::Sender<usize>,
    pub rng: StdRng,
}

/// Data that was read, and when it is due.
type Late = (Instant, Vec<u8>);

impl Stream {
    /// Forwards all data from one side to the other, and then its end.
    pub async fn pass(mut self, from: ReadHalf<'_>, to: WriteHalf<'_>) -> Result<(), End> {
        let (late, on_its_way) = mpsc::channel(ON_ITS_WAY);
        let rng = self.rng.fork();
        let giving = Giving { up: self.up, faults: self.faults.clone(), rng, limit: None, change: None };
        tokio::try_join!(self.take(from, late), giving.give(on_its_way, to)).map(|_| ())
    }

    async fn take(mut self, mut from: ReadHalf<'_>, late: mpsc::Sender<Late>) -> Result<(), End> {
        let mut bytes = vec![0; READ];
        let mut due = Instant::now();
        loop {
            let count = from.read(&mut bytes).await.map_err(|_| End::Reset)?;
            if count == 0 {
                return Ok(());
            }
            if self.up && is_black_hole(self.faults.borrow().of(true)) {
                self.held.send_modify(|held| *held += count);
            }
            // Never before the data that was read earlier.
            due = due.max(Instant::now() + self.lateness());
            if late.send((due, bytes[..count].to_vec())).await.is_err() {
                return Ok(());
            }
        }
    }

    fn lateness(&mut self) -> Duration {
        let faults = self.faults.borrow();
        let of_latency = faults.of(self.up).iter().find_map(|fault| match fault {
            Fault::Latency { mean, jitter } => Some((*mean, *jitter)),
            _ => None,
        });
        of_latency.map_or(Duration::ZERO, |(mean, jitter)| {
            mean.saturating_sub(jitter) + (jitter * 2).mul_f64(self.rng.random_range(0.0..1.0))
        })
    }
}

/// The writing side of a direction.
struct Giving {
    up: bool,
    faults: watch::Receiver<Faults>,
    rng: StdRng,
    /// How many bytes may still pass before the connection is closed, and the change of faults that set this.
    limit: Option<usize>,
    change: Option<u64>,
}

impl Giving {
    async fn give(mut self, mut on_its_way: mpsc::Receiver<Late>, mut to: WriteHalf<'_>) -> Result<(), End> {
        let up = self.up;
        let mut has_ended = false;
        loop {
            let late = tokio::select! {
                biased;
                () = until(&mut self.faults, |faults| faults.of(up).contains(&Fault::HalfClose)), if !has_ended => {
                    has_ended = true;
                    to.shutdown().await.map_err(|_| End::Reset)?;
                    continue;
                }
                late = on_its_way.recv() => late,
            };
            let Some((due, bytes)) = late else { break };
            if due > Instant::now() {
                sleep_until(due).await;
            }
            if !has_ended {
                self.write(&bytes, &mut to).await?;
            }
        }
        self.comes_through().await;
        to.shutdown().await.map_err(|_| End::Reset)
    }

    async fn write(&mut self, mut bytes: &[u8], to: &mut WriteHalf<'_>) -> Result<(), End> {
        while !bytes.is_empty() {
            self.comes_through().await;
            let (size, pause) = self.next_piece(bytes.len());
            if size == 0 {
                return Err(End::Close);
            }
            to.write_all(&bytes[..size]).await.map_err(|_| End::Reset)?;
            bytes = &bytes[size..];
            if pause > Duration::ZERO {
                sleep(pause).await;
            }
        }
        Ok(())
    }

    /// Waits for the end of a black hole.
    async fn comes_through(&mut self) {
        let up = self.up;
        until(&mut self.faults, |faults| !is_black_hole(faults.of(up))).await;
    }

    /// How many bytes to write next, and the pause after them. Zero once the limit is reached.
    fn next_piece(&mut self, there: usize) -> (usize, Duration) {
        let Self { up, faults, rng, limit, change } = self;
        let faults = faults.borrow();
        let is_new = change.replace(faults.change) != Some(faults.change);
        if is_new {
            *limit = None;
        }
        let (mut size, mut pause) = (there, Duration::ZERO);
        for fault in faults.of(*up) {
            match *fault {
                Fault::Slicer { most, pause: between } => {
                    size = size.min(rng.random_range(1..=most.max(1)));
                    pause += between;
                }
                Fault::Bandwidth { bytes_per_second } => {
                    size = size.min((bytes_per_second / PIECES_PER_SECOND).max(1));
                    pause += Duration::from_secs_f64(size as f64 / bytes_per_second.max(1) as f64);
                }
                Fault::LimitData { least, most } if is_new => *limit = Some(rng.random_range(least..=most)),
                Fault::LimitData { .. }
                | Fault::Latency { .. }
                | Fault::Timeout
                | Fault::ResetPeer { .. }
                | Fault::HalfClose
                | Fault::Refuse => {}
            }
        }
        if let Some(left) = limit {
            size = size.min(*left);
            *left -= size;
        }
        (size, pause)
    }
}

fn is_black_hole(faults: &[Fault]) -> bool {
    faults.contains(&Fault::Timeout)
}
