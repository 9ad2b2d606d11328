//! What can happen to a connection.

use std::time::Duration;

use tokio::sync::watch;

/// One thing that happens to connections, by toxiproxy's name where it has one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// All comes late: by the mean, give or take up to the jitter. Its order stays.
    Latency {
        /// How late on average.
        mean: Duration,
        /// How far from the average at most.
        jitter: Duration,
    },
    /// A black hole: connections stay open and nothing comes through. What is held goes on when it is healed.
    Timeout,
    /// Each connection is reset (`RST`), so long after it was opened or the fault began.
    ResetPeer {
        /// How long.
        after: Duration,
    },
    /// All comes in pieces, each of one byte up to the most, with a pause after each.
    Slicer {
        /// The largest piece, in bytes.
        most: usize,
        /// Between two pieces.
        pause: Duration,
    },
    /// No more than so much comes through each second, on each connection.
    Bandwidth {
        /// How many bytes.
        bytes_per_second: usize,
    },
    /// Each connection is closed after a number of bytes, most often in the middle of something.
    LimitData {
        /// Never before so many bytes.
        least: usize,
        /// Always after so many.
        most: usize,
    },
    /// The end of the stream is told and nothing of it comes through any more, while the other stream goes on.
    HalfClose,
    /// Nobody listens: connections that are open are closed, new ones are refused.
    Refuse,
}

/// Waits until the faults are so.
pub async fn until(faults: &mut watch::Receiver<Faults>, are_so: impl Fn(&Faults) -> bool) {
    // Nobody changes them any more: the proxy is going, and with it whoever waits.
    let _ = faults.wait_for(|faults| are_so(faults)).await;
}

/// Which faults hold, and since which change.
#[derive(Clone, Default)]
pub struct Faults {
    up: Vec<Fault>,
    down: Vec<Fault>,
    /// Counts changes: what a fault has counted begins anew with each.
    pub change: u64,
}

impl Faults {
    /// One more, for what goes up, what comes down, or both.
    pub fn put(&mut self, streams: &[bool], fault: Fault) {
        self.change += 1;
        for up in streams {
            let of_stream = if *up { &mut self.up } else { &mut self.down };
            of_stream.push(fault);
        }
    }

    /// None any more.
    pub fn end(&mut self) {
        *self = Self { change: self.change + 1, ..Self::default() };
    }

    /// Those of a stream.
    pub fn of(&self, up: bool) -> &[Fault] {
        if up { &self.up } else { &self.down }
    }

    /// After how long each connection is reset.
    pub fn reset(&self) -> Option<Duration> {
        let all = self.up.iter().chain(&self.down);
        all.filter_map(|fault| if let Fault::ResetPeer { after } = fault { Some(*after) } else { None }).min()
    }

    /// Whether nobody listens.
    pub fn refuses(&self) -> bool {
        self.up.iter().chain(&self.down).any(|fault| *fault == Fault::Refuse)
    }
}
