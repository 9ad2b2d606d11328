//! Bookmarks in Neo4j.

use neo4rs::query;
use serde_json::Value;

use super::Neo4j;
use crate::{failure::StoreError, store::Bookmarks};

impl Bookmarks for Neo4j {
    async fn bookmark(&self, task: &str) -> Result<Option<Value>, StoreError> {
        let asked = query("MATCH (bookmark:Bookmark {task: $task}) RETURN bookmark.place AS place").param("task", task);
        let place: Option<String> = self.query_opt(asked).await?;
        place.map(|place| serde_json::from_str(&place)).transpose().map_err(StoreError::broken)
    }

    async fn keep_bookmark(&self, task: &str, place: &Value) -> Result<(), StoreError> {
        let keep = query("MERGE (bookmark:Bookmark {task: $task}) SET bookmark.place = $place");
        self.execute(keep.param("task", task).param("place", place.to_string())).await
    }

    async fn drop_bookmark(&self, task: &str) -> Result<(), StoreError> {
        self.execute(query("MATCH (bookmark:Bookmark {task: $task}) DELETE bookmark").param("task", task)).await
    }
}
