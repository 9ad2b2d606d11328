//! How far a long command is.

use std::{
    io::Write,
    sync::atomic::{AtomicUsize, Ordering},
};

/// A line that counts up.
pub struct Progress {
    what: &'static str,
    total: usize,
    done: AtomicUsize,
}

impl Progress {
    /// A line about this many things.
    pub fn new(what: &'static str, total: usize) -> Self {
        Self { what, total, done: AtomicUsize::new(0) }
    }

    /// One more is done.
    pub fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(100) || done == self.total {
            println!("{}: {done} of {}", self.what, self.total);
            // A pipe that is gone misses nothing.
            let _ = std::io::stdout().flush();
        }
    }
}
