//! Several hands on one transaction: handlers of one batch that wait for the store at the same time.
//!
//! The store gets the same statements in the same order as if the handlers ran one after the other. A hand sends its
//! first statement after that of the hand before it. One that needs a second, after a younger hand has sent its own,
//! comes too late: the order is crossed, its statement is not sent, and the transaction must not commit.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use crate::failure::{StoreError, StoreErrorKind};

/// Whose turn it is to send a statement. A clone is the same.
#[derive(Clone, Default)]
pub struct PipelinedBatch(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// How many hands have sent something, counted by the youngest that has.
    begun: AtomicUsize,
    out_of_order: OnceLock<usize>,
}

/// One of the hands.
#[derive(Clone)]
pub struct PipelineSlot {
    hands: PipelinedBatch,
    number: usize,
}

impl PipelinedBatch {
    /// The hand of this number; the oldest has 0.
    pub fn hand(&self, number: usize) -> PipelineSlot {
        PipelineSlot { hands: self.clone(), number }
    }

    /// Whether the hand of this number, or a younger one, has sent a statement.
    pub fn has_begun(&self, number: usize) -> bool {
        self.0.begun.load(Ordering::Relaxed) > number
    }

    /// The first hand that came too late, where one did.
    pub fn out_of_order(&self) -> Option<usize> {
        self.0.out_of_order.get().copied()
    }
}

impl PipelineSlot {
    /// Takes the turn for a statement.
    ///
    /// # Errors
    /// Where a younger hand has sent one before.
    pub fn take_turn(&self) -> Result<(), StoreError> {
        let before = self.hands.0.begun.fetch_max(self.number + 1, Ordering::Relaxed);
        if before > self.number + 1 {
            self.hands.0.out_of_order.get_or_init(|| self.number);
            let text =
                "another handler of the batch has sent its statement before this one: the batch is handled again";
            return Err(StoreError::new(StoreErrorKind::Conflict, text));
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn hands_take_turns_from_the_oldest_to_the_youngest_and_each_may_send_much() {
        let hands = PipelinedBatch::default();

        for number in [0, 0, 1, 3, 3] {
            hands.hand(number).take_turn().unwrap();
        }

        assert!(hands.has_begun(3) && !hands.has_begun(4));
        assert_eq!(hands.out_of_order(), None);
    }

    #[test]
    fn who_comes_after_a_younger_one_has_crossed_the_order() {
        let hands = PipelinedBatch::default();
        hands.hand(0).take_turn().unwrap();
        hands.hand(1).take_turn().unwrap();

        let error = hands.hand(0).take_turn().unwrap_err();

        assert_eq!(error.kind, StoreErrorKind::Conflict);
        assert_eq!(hands.out_of_order(), Some(0));
    }
}
