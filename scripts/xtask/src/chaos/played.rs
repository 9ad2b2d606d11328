//! What came of a row that was played.

use std::time::Duration;

use crate::trial::Ledger;

/// What came of a row that was played.
#[derive(Default)]
pub struct Played {
    /// What was lost, doubled or out of order.
    pub ledger: Ledger,
    /// From the end of the trouble until an event that was written after it had come through.
    pub recovery: Duration,
    /// What else was measured, in words.
    pub figures: Vec<String>,
}

impl Played {
    /// With another one, and what is to be said of that under its name: the longer of the two to recover.
    pub fn and(mut self, name: &str, other: Self) -> Self {
        self.figures.push(format!("{name} {:.1} s ({})", other.recovery.as_secs_f64(), other.figures.join("; ")));
        Self { ledger: self.ledger.and(other.ledger), recovery: self.recovery.max(other.recovery), ..self }
    }

    /// With one more figure.
    pub fn with(mut self, figure: impl Into<String>) -> Self {
        self.figures.push(figure.into());
        self
    }
}
