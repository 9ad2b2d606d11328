//! Reads that must give a row.

use tokio_postgres::{Row, types::ToSql};

use super::Postgres;
use crate::failure::StoreError;

impl Postgres {
    /// Asks for one row that must be there, outside of a transaction: an aggregate, for instance.
    ///
    /// # Errors
    /// As [`Postgres::query_opt`]; also if there is no row.
    pub async fn query_one(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Row, StoreError> {
        self.query_opt(sql, parameters).await?.ok_or_else(|| StoreError::broken("one row was expected, there is none"))
    }
}
