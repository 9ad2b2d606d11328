//! The progress of a long command.

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
    /// A line for this many items.
    pub fn new(what: &'static str, total: usize) -> Self {
        Self { what, total, done: AtomicUsize::new(0) }
    }

    /// Counts one more item.
    pub fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(100) || done == self.total {
            println!("{}: {done} of {}", self.what, self.total);
            // A closed pipe is ignored.
            let _ = std::io::stdout().flush();
        }
    }
}
