//! Bookmarks: the progress of a long task, so that it can be resumed.

use std::future::Future;

use serde_json::Value;

use super::Store;
use crate::failure::StoreError;

/// A store that keeps bookmarks.
pub trait Bookmarks: Store {
    /// The bookmark of a task; `None` if the task has not begun or is finished.
    fn bookmark(&self, task: &str) -> impl Future<Output = Result<Option<Value>, StoreError>> + Send;

    /// Saves a task's bookmark.
    fn keep_bookmark(&self, task: &str, place: &Value) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Deletes a task's bookmark.
    fn drop_bookmark(&self, task: &str) -> impl Future<Output = Result<(), StoreError>> + Send;
}
