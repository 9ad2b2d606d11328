//! A retry budget: a share of all calls, so that retries do not multiply the load on a partner in trouble.

/// The largest budget that can accumulate.
const MOST: f64 = 10.0;

/// The retries that may still be made.
pub(super) struct Budget {
    share: f64,
    saved: f64,
}

impl Budget {
    /// A budget of a share of all calls; the first failed call may be retried at once.
    pub(super) fn new(share: f64) -> Self {
        Self { share, saved: if share > 0.0 { 1.0 } else { 0.0 } }
    }

    /// Counts a call.
    pub(super) fn earn(&mut self) {
        self.saved = (self.saved + self.share).min(MOST);
    }

    /// Whether one retry may be made. If so, it is deducted.
    pub(super) fn spend(&mut self) -> bool {
        if self.saved < 1.0 {
            return false;
        }
        self.saved -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_all_calls_may_be_made_again_and_no_more() {
        let mut budget = Budget::new(0.125);

        let again = (0..80).filter(|_| {
            budget.earn();
            budget.spend()
        });

        assert_eq!(again.count(), 1 + 10);
    }

    #[test]
    fn what_is_saved_in_good_times_has_a_limit() {
        let mut budget = Budget::new(0.1);
        (0..10_000).for_each(|_| budget.earn());

        assert_eq!((0..100).filter(|_| budget.spend()).count(), 10);
    }

    #[test]
    fn without_a_share_nothing_is_made_again() {
        let mut budget = Budget::new(0.0);
        budget.earn();

        assert!(!budget.spend());
    }
}
