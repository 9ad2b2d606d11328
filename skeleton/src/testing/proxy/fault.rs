//! Faults of a connection.

use std::time::Duration;

use tokio::sync::watch;

/// A fault of connections, under toxiproxy's name where it has one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// All data arrives late: by the mean, plus or minus up to the jitter. Its order stays.
    Latency {
        /// The mean delay.
        mean: Duration,
        /// The greatest deviation from the mean.
        jitter: Duration,
    },
    /// A black hole: connections stay open and no data passes. Held data passes after the proxy is healed.
    Timeout,
    /// Each connection is reset (`RST`), this long after it was opened or the fault began.
    ResetPeer {
        /// The delay.
        after: Duration,
    },
    /// Data arrives in pieces of one byte up to `most`, with a pause after each.
    Slicer {
        /// The largest piece, in bytes.
        most: usize,
        /// The pause between two pieces.
        pause: Duration,
    },
    /// A limit on the bytes per second of each connection.
    Bandwidth {
        /// The limit.
        bytes_per_second: usize,
    },
    /// Each connection is closed after a number of bytes, usually in the middle of a message.
    LimitData {
        /// The fewest bytes before the close.
        least: usize,
        /// The most bytes before the close.
        most: usize,
    },
    /// The stream is closed and none of its data passes any more, while the other stream continues.
    HalfClose,
    /// Nothing listens: open connections are closed, new ones are refused.
    Refuse,
}

/// Waits until the faults meet a condition.
pub async fn until(faults: &mut watch::Receiver<Faults>, are_so: impl Fn(&Faults) -> bool) {
    // An error means that the proxy ends, and the waiting task with it.
    let _ = faults.wait_for(|faults| are_so(faults)).await;
}

/// The active faults, and the number of the change that set them.
#[derive(Clone, Default)]
pub struct Faults {
    up: Vec<Fault>,
    down: Vec<Fault>,
    /// Counts changes: the counters of a fault restart with each.
    pub change: u64,
}

impl Faults {
    /// Adds a fault for data to the server, from the server, or both.
    pub fn put(&mut self, streams: &[bool], fault: Fault) {
        self.change += 1;
        for up in streams {
            let of_stream = if *up { &mut self.up } else { &mut self.down };
            of_stream.push(fault);
        }
    }

    /// Removes all faults.
    pub fn end(&mut self) {
        *self = Self { change: self.change + 1, ..Self::default() };
    }

    /// The faults of a stream.
    pub fn of(&self, up: bool) -> &[Fault] {
        if up { &self.up } else { &self.down }
    }

    /// The delay after which each connection is reset.
    pub fn reset(&self) -> Option<Duration> {
        let all = self.up.iter().chain(&self.down);
        all.filter_map(|fault| if let Fault::ResetPeer { after } = fault { Some(*after) } else { None }).min()
    }

    /// Whether connections are refused.
    pub fn refuses(&self) -> bool {
        self.up.iter().chain(&self.down).any(|fault| *fault == Fault::Refuse)
    }
}
