//! Runs statements. If one fails or is abandoned, the transaction ends.

use neo4rs::Query;
use serde::de::DeserializeOwned;

use super::{OpenTransaction, Tx};
use crate::{
    failure::{StoreError, StoreErrorKind},
    store::neo4j::error::{store_error, unreadable},
};

impl Tx {
    pub(super) async fn call<T: DeserializeOwned + Send>(&mut self, query: Query) -> Result<Vec<T>, StoreError> {
        let mut open = self.take_open()?;
        let asking = Box::pin(async {
            let mut stream = open.txn.execute(query).await.map_err(store_error)?;
            let mut rows = Vec::new();
            while let Some(row) = stream.next(open.txn.handle()).await.map_err(store_error)? {
                rows.push(row.to().map_err(|error| unreadable::<T>(&error))?);
            }
            Ok((rows, open))
        });
        let asked = self.lanes.within(asking).await;
        self.has_failed |= asked.is_err();
        let (rows, open) = asked?;
        self.open = Some(open);
        Ok(rows)
    }

    pub(super) async fn run(&mut self, query: Query) -> Result<(), StoreError> {
        let mut open = self.take_open()?;
        let running = Box::pin(async {
            open.txn.run(query).await.map_err(store_error)?;
            Ok(open)
        });
        let ran = self.lanes.within(running).await;
        self.has_failed |= ran.is_err();
        self.open = Some(ran?);
        Ok(())
    }

    /// Takes the open transaction out during a statement: if the statement fails or its future is dropped, no open
    /// transaction remains.
    pub(super) fn take_open(&mut self) -> Result<OpenTransaction, StoreError> {
        self.open.take().ok_or_else(|| match self.has_failed {
            true => StoreError::broken("a statement of this transaction has failed: the transaction has ended"),
            false => {
                let text = "a statement of this transaction was abandoned before its answer: the transaction has ended";
                StoreError::new(StoreErrorKind::Conflict, text)
            }
        })
    }
}
