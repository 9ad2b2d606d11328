//! Queries that must return a row.

use tokio_postgres::{Row, types::ToSql};

use super::Postgres;
use crate::failure::StoreError;

impl Postgres {
    /// Queries exactly one row outside a transaction, such as an aggregate.
    ///
    /// # Errors
    /// As [`Postgres::query_opt`]; also fails if there is no row.
    pub async fn query_one(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Row, StoreError> {
        self.query_opt(sql, parameters).await?.ok_or_else(|| StoreError::broken("expected one row, found none"))
    }
}
