//! The owner's side of a rebuild: pages of snapshots, and a checksum to compare a copy with.

use std::sync::Arc;

use events::Snapshot;
use uuid::Uuid;

use super::{Slice, Sum};
use crate::{
    failure::HandlerResult,
    messaging::handlers::{ReadContext, RequestHandlers},
    store::{Store, page_limit},
};

/// A page of snapshots, in the order of their ids.
#[derive(Clone, Debug)]
pub struct SnapshotPage {
    /// The requested ids.
    pub within: Slice,
    /// The last id of the previous page.
    pub after: Option<Uuid>,
    /// The most snapshots to return.
    pub limit: i64,
}

impl<S: Store> RequestHandlers<S> {
    /// Answers the two requests with which other services rebuild their copy of these entities, with these functions:
    /// `async fn(SnapshotPage, ReadContext<S>) -> HandlerResult<Vec<T>>` and `async fn(Slice, ReadContext<S>) ->
    /// HandlerResult<Sum>`.
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
