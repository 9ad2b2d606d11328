//! The pauses between restarts.

use std::time::Duration;

/// The pause after a failure, and when failures are reset.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// The pause after the first failure.
    pub(super) pause: Duration,
    /// The longest pause, and how long a task must run before its failures are reset.
    pub(super) steady: Duration,
}

pub(super) const PACE: Pace = Pace { pause: Duration::from_secs(1), steady: Duration::from_secs(60) };

impl Pace {
    pub(super) fn after(self, failures: u32) -> Duration {
        self.pause.saturating_mul(1 << failures.saturating_sub(1).min(6)).min(self.steady)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute() {
        assert_eq!([1, 2, 3, 6, 7, 100].map(|failures| PACE.after(failures).as_secs()), [1, 2, 4, 32, 60, 60]);
    }
}
