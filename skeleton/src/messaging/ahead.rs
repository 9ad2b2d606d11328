//! Runs the handlers of a batch, each starting while the one before it waits for the store.
//!
//! The guarantees are those of sequential handling: the store gets the same statements in the same order
//! ([`PipelinedBatch`]), published messages keep the order of the received ones, and one failure rolls all of it back.
//! Only the waiting is saved: the statements of a whole batch travel together. A handler that needs more than one
//! statement cannot be pipelined. It is detected when it first runs out of order, and from then on it runs alone.

use std::{
    collections::HashSet,
    future::{Future, poll_fn},
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use futures::{Stream, stream::FuturesUnordered};

use crate::{
    failure::{Failure, HandlerResult},
    store::{PipelinedBatch, Transaction},
};

/// The messages whose handlers run alone, by name.
#[derive(Default)]
pub struct SerialHandlers(Mutex<HashSet<String>>);

impl SerialHandlers {
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    pub(super) fn add(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
    }
}

/// The result of a handler: its index in the batch, its handle on the transaction, and the outcome.
pub(super) type Called<Tx> = (usize, Tx, HandlerResult);

/// Runs `call` with one transaction handle per entry of `serial`. If an entry is true, the call runs while no other
/// does. Ends with the first failure. `hands` records whether a handler ran out of order.
pub(super) async fn call_ahead<Tx, Out>(
    tx: &mut Tx,
    hands: &PipelinedBatch,
    serial: &[bool],
    mut call: impl FnMut(usize, Tx) -> Out,
) -> HandlerResult
where
    Tx: Transaction,
    Out: Future<Output = Called<Tx>>,
{
    let mut batch = Batch { hands, serial, next: 0, running: FuturesUnordered::new(), done: Vec::new() };
    batch.done.resize_with(serial.len(), || None);
    poll_fn(|context| batch.poll(context, tx, &mut call)).await?;
    for hand in batch.done.into_iter().flatten() {
        tx.take_over(hand);
    }
    Ok(())
}

struct Batch<'a, Tx, Out> {
    hands: &'a PipelinedBatch,
    serial: &'a [bool],
    /// The index of the message whose handler starts next.
    next: usize,
    running: FuturesUnordered<Out>,
    done: Vec<Option<Tx>>,
}

impl<Tx, Out> Batch<'_, Tx, Out>
where
    Tx: Transaction,
    Out: Future<Output = Called<Tx>>,
{
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        tx: &mut Tx,
        call: &mut impl FnMut(usize, Tx) -> Out,
    ) -> Poll<HandlerResult> {
        loop {
            if self.may_begin() {
                let hand = tx.hand(self.hands.slot(self.next));
                let Some(hand) = hand else { return Poll::Ready(Err(Failure::bug("this store cannot pipeline"))) };
                self.running.push(call(self.next, hand));
                self.next += 1;
            }
            match std::pin::Pin::new(&mut self.running).poll_next(context) {
                Poll::Ready(Some((number, hand, Ok(())))) => self.done[number] = Some(hand),
                Poll::Ready(Some((_, _, failed))) => return Poll::Ready(failed),
                Poll::Ready(None) if self.next == self.serial.len() => return Poll::Ready(Ok(())),
                Poll::Ready(None) => {}
                Poll::Pending if self.may_begin() => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Whether the next handler may start: none runs, or the last one started has sent its statement or ended.
    fn may_begin(&self) -> bool {
        let Some(serial) = self.serial.get(self.next) else { return false };
        if self.running.is_empty() {
            return true;
        }
        let last = self.next - 1;
        !serial && !self.serial[last] && (self.done[last].is_some() || self.hands.has_begun(last))
    }
}
