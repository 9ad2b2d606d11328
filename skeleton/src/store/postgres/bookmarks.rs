//! Bookmarks in Postgres.

use serde_json::Value;
use tokio_postgres::types::Json;

use super::Postgres;
use crate::{failure::StoreError, store::Bookmarks};

impl Bookmarks for Postgres {
    async fn bookmark(&self, task: &str) -> Result<Option<Value>, StoreError> {
        let row = self.query_opt("select place from skeleton.bookmarks where task = $1", &[&task]).await?;
        Ok(row.map(|row| row.get::<_, Json<Value>>(0).0))
    }

    async fn keep_bookmark(&self, task: &str, place: &Value) -> Result<(), StoreError> {
        let sql = "insert into skeleton.bookmarks (task, place) values ($1, $2)
            on conflict (task) do update set place = excluded.place, kept_at = now()";
        self.execute(sql, &[&task, &Json(place)]).await.map(drop)
    }

    async fn drop_bookmark(&self, task: &str) -> Result<(), StoreError> {
        self.execute("delete from skeleton.bookmarks where task = $1", &[&task]).await.map(drop)
    }
}
