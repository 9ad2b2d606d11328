//! Bookmarks in Elasticsearch: one document per task, with the task's name as its id.

use serde_json::{Value, json};

use super::Elasticsearch;
use crate::{failure::StoreError, store::Bookmarks};

/// The index of the bookmarks.
pub const BOOKMARKS: &str = "bookmarks";

impl Elasticsearch {
    fn bookmark_path(&self, task: &str) -> String {
        format!("{}/_doc/{task}", self.names.alias(BOOKMARKS))
    }
}

impl Bookmarks for Elasticsearch {
    async fn bookmark(&self, task: &str) -> Result<Option<Value>, StoreError> {
        match self.client.get(&self.bookmark_path(task)).await {
            Ok(found) => Ok(Some(found["_source"]["place"].clone())),
            Err(error) if error.has_status(404) && !error.is("index_not_found_exception") => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn keep_bookmark(&self, task: &str, place: &Value) -> Result<(), StoreError> {
        let path = format!("{}?require_alias=true", self.bookmark_path(task));
        Ok(self.client.put(&path, json!({ "place": place })).await.map(drop)?)
    }

    async fn drop_bookmark(&self, task: &str) -> Result<(), StoreError> {
        match self.client.delete(&self.bookmark_path(task)).await {
            Err(error) if !error.has_status(404) => Err(error.into()),
            _ => Ok(()),
        }
    }
}
