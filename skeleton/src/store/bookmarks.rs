//! Where a long task was left, so that it can be taken up again.

use std::future::Future;

use serde_json::Value;

use super::Store;
use crate::failure::StoreError;

/// A store that keeps the places of long tasks.
pub trait Bookmarks: Store {
    /// Where a task was left; `None` where it was not begun, or is finished.
    fn bookmark(&self, task: &str) -> impl Future<Output = Result<Option<Value>, StoreError>> + Send;

    /// Keeps the place of a task.
    fn keep_bookmark(&self, task: &str, place: &Value) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Forgets a task's place.
    fn drop_bookmark(&self, task: &str) -> impl Future<Output = Result<(), StoreError>> + Send;
}
