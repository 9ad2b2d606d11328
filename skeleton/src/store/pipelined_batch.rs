//! A pipelined batch: handlers of one batch that share a transaction and wait for the store at the same time.
//!
//! The store gets the same statements in the same order as if the handlers ran one after the other. A slot sends its
//! first statement after that of the slot before it. If a slot sends another statement after a later slot has sent its
//! own, the batch is out of order: the statement is not sent, and the transaction must not commit.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use crate::failure::{StoreError, StoreErrorKind};

/// The turn to send a statement. Clones share it.
#[derive(Clone, Default)]
pub struct PipelinedBatch(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// One more than the highest slot number that has sent a statement.
    begun: AtomicUsize,
    out_of_order: OnceLock<usize>,
}

/// A slot in the pipelined batch.
#[derive(Clone)]
pub struct PipelineSlot {
    hands: PipelinedBatch,
    number: usize,
}

impl PipelinedBatch {
    /// The slot of this number; the first is 0.
    pub fn hand(&self, number: usize) -> PipelineSlot {
        PipelineSlot { hands: self.clone(), number }
    }

    /// Whether the slot of this number, or a later one, has sent a statement.
    pub fn has_begun(&self, number: usize) -> bool {
        self.0.begun.load(Ordering::Relaxed) > number
    }

    /// The first slot that was out of order, if any.
    pub fn out_of_order(&self) -> Option<usize> {
        self.0.out_of_order.get().copied()
    }
}

impl PipelineSlot {
    /// Takes the turn for a statement.
    ///
    /// # Errors
    /// Fails if a later slot has sent a statement.
    pub fn take_turn(&self) -> Result<(), StoreError> {
        let before = self.hands.0.begun.fetch_max(self.number + 1, Ordering::Relaxed);
        if before > self.number + 1 {
            self.hands.0.out_of_order.get_or_init(|| self.number);
            let text =
                "statements of the batch are out of order: a later handler has sent one; handling the batch again";
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
