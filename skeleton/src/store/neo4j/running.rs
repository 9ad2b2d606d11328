//! Statements outside a transaction.

use neo4rs::{BoltMap, Query};
use serde::de::DeserializeOwned;

use super::{
    Neo4j,
    error::{store_error, unreadable},
};
use crate::failure::StoreError;

impl Neo4j {
    /// Queries rows outside a transaction, each as a `T`: a struct with a field for every column, or the value of the
    /// only column. Read-only.
    ///
    /// # Errors
    /// Fails if the store does not respond or the statement is invalid.
    pub async fn query<T: DeserializeOwned + Send>(&self, query: Query) -> Result<Vec<T>, StoreError> {
        self.call(query, true).await
    }

    /// Queries at most one row, outside a transaction.
    ///
    /// # Errors
    /// As [`Neo4j::query`]; also fails if there are more rows.
    pub async fn query_opt<T: DeserializeOwned + Send>(&self, query: Query) -> Result<Option<T>, StoreError> {
        at_most_one(self.query(query).await?)
    }

    /// Changes nodes and relationships in a transaction of its own; for housekeeping only.
    ///
    /// # Errors
    /// As [`Neo4j::query`].
    pub async fn execute(&self, query: Query) -> Result<(), StoreError> {
        self.write::<BoltMap>(query).await.map(drop)
    }

    /// The number of connections in use, and the maximum.
    pub fn connections(&self) -> (usize, usize) {
        self.lanes.in_use()
    }

    /// Runs a statement that changes data, and returns its rows.
    pub(super) async fn write<T: DeserializeOwned + Send>(&self, query: Query) -> Result<Vec<T>, StoreError> {
        self.call(query, false).await
    }

    async fn call<T: DeserializeOwned + Send>(&self, query: Query, is_read: bool) -> Result<Vec<T>, StoreError> {
        let asking = Box::pin(async {
            let lane = self.lanes.take().await?;
            let asked = if is_read { lane.graph.execute_read(query).await } else { lane.graph.execute(query).await };
            let mut stream = asked.map_err(store_error)?;
            let mut rows = Vec::new();
            while let Some(row) = stream.next().await.map_err(store_error)? {
                rows.push(row.to().map_err(|error| unreadable::<T>(&error))?);
            }
            drop(stream);
            lane.give_back();
            Ok(rows)
        });
        self.lanes.within(asking).await
    }

    /// Runs a statement that returns the number of its changes.
    pub(super) async fn count(&self, query: Query) -> Result<u64, StoreError> {
        let counted: Vec<i64> = self.write(query).await?;
        Ok(counted.first().map_or(0, |counted| counted.unsigned_abs()))
    }
}

pub(super) fn at_most_one<T>(mut rows: Vec<T>) -> Result<Option<T>, StoreError> {
    if rows.len() > 1 {
        return Err(StoreError::broken(format!("expected at most one row, found {}", rows.len())));
    }
    Ok(rows.pop())
}
