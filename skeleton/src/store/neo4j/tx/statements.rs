//! Statements in a transaction.

use neo4rs::{BoltType, Query, query};
use serde::de::DeserializeOwned;

use super::Tx;
use crate::{
    failure::StoreError,
    store::neo4j::{
        pieces::{bytes_of, pieces},
        running::at_most_one,
    },
};

impl Tx {
    /// Queries rows, each as a `T`: a struct with a field for every column, or the value of the only column.
    ///
    /// # Errors
    /// Fails if the store does not respond, another transaction conflicts, or the statement is invalid. The transaction
    /// ends.
    pub async fn query<T: DeserializeOwned + Send>(&mut self, query: Query) -> Result<Vec<T>, StoreError> {
        self.settle().await?;
        self.call(query).await
    }

    /// Queries only about these things: deferred changes that do not touch them remain deferred.
    ///
    /// # Errors
    /// As [`Tx::query`].
    pub async fn query_about<T: DeserializeOwned + Send>(
        &mut self,
        things: &[String],
        query: Query,
    ) -> Result<Vec<T>, StoreError> {
        if things.iter().any(|thing| self.later.touched.contains(thing)) {
            self.settle().await?;
        }
        self.call(query).await
    }

    /// Queries at most one row.
    ///
    /// # Errors
    /// As [`Tx::query`]; also fails if there are more rows.
    pub async fn query_opt<T: DeserializeOwned + Send>(&mut self, query: Query) -> Result<Option<T>, StoreError> {
        at_most_one(self.query(query).await?)
    }

    /// Queries exactly one row.
    ///
    /// # Errors
    /// As [`Tx::query`]; also fails if there is none, or more than one.
    pub async fn query_one<T: DeserializeOwned + Send>(&mut self, query: Query) -> Result<T, StoreError> {
        self.query_opt(query).await?.ok_or_else(|| StoreError::broken("expected one row, found none"))
    }

    /// Changes nodes and relationships.
    ///
    /// # Errors
    /// As [`Tx::query`].
    pub async fn execute(&mut self, query: Query) -> Result<(), StoreError> {
        self.settle().await?;
        self.run(query).await
    }

    /// Defers a change: it is made with the commit at the latest, together with others of the same statement, which
    /// begins with `UNWIND $rows AS row`. [`Tx::query_about`] makes deferred changes first that touch its things.
    pub fn execute_later(&mut self, things: Vec<String>, statement: &'static str, row: BoltType) {
        self.later.touched.extend(things);
        match self.later.changes.last_mut() {
            Some((last, rows)) if *last == statement => rows.push(row),
            _ => self.later.changes.push((statement, vec![row])),
        }
    }

    /// Makes the deferred changes, in order.
    pub(super) async fn settle(&mut self) -> Result<(), StoreError> {
        for (statement, rows) in std::mem::take(&mut self.later).changes {
            for rows in pieces(rows, bytes_of) {
                self.run(query(statement).param("rows", rows)).await?;
            }
        }
        Ok(())
    }
}
