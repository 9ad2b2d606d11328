//! The owner's side of a rebuild: snapshots of its things page by page, and a sum to compare a copy by.

use std::sync::Arc;

use events::Snapshot;
use uuid::Uuid;

use super::{Slice, Sum};
use crate::{
    failure::HandlerResult,
    messaging::handlers::{ReadContext, RequestHandlers},
    store::{Store, page_limit},
};

/// Which snapshots are asked for, in the order of their ids.
#[derive(Clone, Debug)]
pub struct SnapshotPage {
    /// The ids that are asked for.
    pub within: Slice,
    /// The last id of the page before.
    pub after: Option<Uuid>,
    /// How many at most.
    pub limit: i64,
}

impl<S: Store> RequestHandlers<S> {
    /// Answers the two requests by which other services rebuild their copy of these things, with these functions:
    /// `async fn(SnapshotPage, ReadContext<S>) -> HandlerResult<Vec<T>>` and `async fn(Slice, ReadContext<S>) -> HandlerResult<Sum>`.
    pub fn snapshots<T, Page, Pages, Total, Totals>(self, page: Page, total: Total) -> Self
    where
        T: Snapshot,
        Page: Fn(SnapshotPage, ReadContext<S>) -> Pages + Send + Sync + 'static,
        Pages: Future<Output = HandlerResult<Vec<T>>> + Send + 'static,
        Total: Fn(Slice, ReadContext<S>) -> Totals + Send + Sync + 'static,
        Totals: Future<Output = HandlerResult<Sum>> + Send + 'static,
    {
        let (page, total) = (Arc::new(page), Arc::new(total));
        let list = move |asked: T::List, reading| {
            let page = page.clone();
            async move {
                let (within, after, limit) = T::asked(&asked);
                let limit = page_limit(limit)?;
                let found = page(SnapshotPage { within: Slice::parse(within)?, after, limit }, reading).await?;
                let next = found.last().filter(|_| found.len() as i64 == limit).map(|last| last.state().0);
                Ok(T::page(found, next))
            }
        };
        let sum = move |asked: T::Sum, reading| {
            let total = total.clone();
            async move {
                let Sum { count, checksum } = total(Slice::parse(T::asked_sum(&asked))?, reading).await?;
                Ok(T::total(count, checksum))
            }
        };
        self.read(list).read(sum)
    }
}
