//! The only access to the server: every call has a time limit, and the status of every response is checked.
//!
//! All releases of the crate `elasticsearch` are pre-releases, and it has no time limits or retries of its own. Only
//! this module uses it, so that plain HTTP can replace it.

mod connecting;
mod error;
mod exchange;

use std::{sync::Arc, time::Duration};

use elasticsearch::http::{Method, transport::Transport};
use serde_json::Value;

pub use self::error::{CallError, Refused};
use crate::{failure::StoreError, store::target::Target};

/// The body of a call.
pub enum Body {
    /// No body.
    Nothing,
    /// One JSON value.
    Json(Value),
    /// JSON values, one per line.
    Lines(Vec<u8>),
}

impl From<Value> for Body {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

/// A client of a server.
#[derive(Clone)]
pub struct Client {
    transport: Transport,
    timeout: Duration,
    target: Arc<Target>,
}

impl Client {
    /// Sends a `GET` request.
    pub async fn get(&self, path: &str) -> Result<Value, CallError> {
        self.call(Method::Get, path, Body::Nothing).await
    }

    /// Sends a `POST` request.
    pub async fn post(&self, path: &str, body: impl Into<Body>) -> Result<Value, CallError> {
        self.call(Method::Post, path, body.into()).await
    }

    /// Sends a `PUT` request.
    pub async fn put(&self, path: &str, body: impl Into<Body>) -> Result<Value, CallError> {
        self.call(Method::Put, path, body.into()).await
    }

    /// Makes documents written to an index visible to searches. Costs little if there are none.
    pub async fn refresh(&self, index: &str) -> Result<(), CallError> {
        self.post(&format!("{index}/_refresh"), Body::Nothing).await.map(drop)
    }

    /// Sends a `DELETE` request.
    pub async fn delete(&self, path: &str) -> Result<Value, CallError> {
        self.call(Method::Delete, path, Body::Nothing).await
    }

    async fn call(&self, method: Method, path: &str, body: Body) -> Result<Value, CallError> {
        let limit = self.timeout;
        let answer = match tokio::time::timeout(limit, self.exchange(method, path, body)).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::Unanswered(format!("no answer within {} ms", limit.as_millis()))),
        };
        answer.map_err(|error| self.located(error))
    }

    /// Adds the server to an error that concerns all calls.
    fn located(&self, error: CallError) -> CallError {
        match error {
            CallError::Unanswered(why) => CallError::Unanswered(format!("{why}: {}", self.target.address())),
            CallError::Refused(refused) if refused.status == 401 => {
                let text =
                    format!("elasticsearch: the login is refused: {} (401): {}", refused.kind, self.target.login());
                CallError::Failed(StoreError::refused(text))
            }
            error => error,
        }
    }
}
