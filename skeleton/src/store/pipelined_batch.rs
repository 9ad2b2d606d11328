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
    batch: PipelinedBatch,
    number: usize,
}

impl PipelinedBatch {
    /// The slot of this number; the first is 0.
    pub fn slot(&self, number: usize) -> PipelineSlot {
        PipelineSlot { batch: self.clone(), number }
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
        let before = self.batch.0.begun.fetch_max(self.number + 1, Ordering::Relaxed);
        if before > self.number + 1 {
            self.batch.0.out_of_order.get_or_init(|| self.number);
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
    fn slots_take_turns_and_each_may_send_several_statements() {
        let batch = PipelinedBatch::default();

        for number in [0, 0, 1, 3, 3] {
            batch.slot(number).take_turn().unwrap();
        }

        assert!(batch.has_begun(3) && !batch.has_begun(4));
        assert_eq!(batch.out_of_order(), None);
    }

    #[test]
    fn a_slot_that_follows_a_later_one_is_out_of_order() {
        let batch = PipelinedBatch::default();
        batch.slot(0).take_turn().unwrap();
        batch.slot(1).take_turn().unwrap();

        let error = batch.slot(0).take_turn().unwrap_err();

        assert_eq!(error.kind, StoreErrorKind::Conflict);
        assert_eq!(batch.out_of_order(), Some(0));
    }
}
