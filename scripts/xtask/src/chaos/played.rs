//! The result of a played row.

use std::time::Duration;

use crate::trial::Ledger;

/// The result of a played row.
#[derive(Default)]
pub struct Played {
    /// What was lost, doubled or out of order.
    pub ledger: Ledger,
    /// From the end of the fault until an event that was written after it has arrived.
    pub recovery: Duration,
    /// Other measurements, in words.
    pub figures: Vec<String>,
}

impl Played {
    /// Adds another result with its figures under this name; the longer recovery counts.
    pub fn and(mut self, name: &str, other: Self) -> Self {
        self.figures.push(format!("{name} {:.1} s ({})", other.recovery.as_secs_f64(), other.figures.join("; ")));
        Self { ledger: self.ledger.and(other.ledger), recovery: self.recovery.max(other.recovery), ..self }
    }

    /// Adds a figure.
    pub fn with(mut self, figure: impl Into<String>) -> Self {
        self.figures.push(figure.into());
        self
    }
}
