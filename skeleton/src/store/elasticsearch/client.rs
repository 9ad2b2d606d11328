//! The only access to the server: every call has a time limit, and the status of every response is checked.
//!
//! All releases of the crate `elasticsearch` are pre-releases, and it has no time limits or retries of its own. Only
//! this file uses it, so that plain HTTP can replace it.

use std::{fmt, time::Duration};

use elasticsearch::{
    auth::Credentials,
    cert::{Certificate, CertificateValidation},
    http::{
        Method, Url,
        headers::{CONTENT_TYPE, HeaderMap, HeaderValue},
        response::Response,
        transport::{SingleNodeConnectionPool, Transport, TransportBuilder},
    },
};
use serde_json::Value;

use crate::{
    failure::{StoreError, StoreErrorKind},
    tls::Tls,
};

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
}

/// Why a call failed.
#[derive(Debug)]
pub enum CallError {
    /// The server did not respond in time, or not in JSON.
    Unanswered(String),
    /// The server refused the call.
    Refused(Refused),
    /// A step of several calls failed.
    Failed(StoreError),
}

/// The server's refusal.
#[derive(Debug)]
pub struct Refused {
    /// The HTTP status.
    pub status: u16,
    /// The server's error type, such as `version_conflict_engine_exception`.
    pub kind: String,
    /// The path of the call.
    pub what: String,
}

impl Client {
    /// Creates a client of the server at this URL; the user is part of the URL.
    ///
    /// # Errors
    /// Fails if the URL is invalid, or requests plain text to another machine.
    pub fn new(address: &str, password: &str, timeout: Duration, tls: &Tls) -> Result<Self, StoreError> {
        let mut url: Url = address.parse().map_err(|error| StoreError::broken(format!("url: {error}")))?;
        let user = url.username().to_owned();
        let password =
            if password.is_empty() { url.password().unwrap_or_default().to_owned() } else { password.to_owned() };
        if !matches!(url.scheme(), "http" | "https") || url.set_username("").is_err() || url.set_password(None).is_err()
        {
            return Err(StoreError::broken("url: write it as http://user@host:port"));
        }
        if url.scheme() == "http" {
            let host = url.host_str().unwrap_or_default();
            tls.plaintext_to(host, "https://user@host:9200").map_err(StoreError::broken)?;
        }
        let mut builder = TransportBuilder::new(SingleNodeConnectionPool::new(url)).disable_proxy();
        if let Some(pem) = tls.pem() {
            let authorities = Certificate::from_pem(pem.as_bytes()).map_err(StoreError::broken)?;
            builder = builder.cert_validation(CertificateValidation::Full(authorities));
        }
        if !user.is_empty() {
            builder = builder.auth(Credentials::Basic(user, password));
        }
        Ok(Self { transport: builder.build().map_err(StoreError::broken)?, timeout })
    }

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
        match tokio::time::timeout(limit, self.exchange(method, path, body)).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::Unanswered(format!("no answer within {} ms", limit.as_millis()))),
        }
    }

    async fn exchange(&self, method: Method, path: &str, body: Body) -> Result<Value, CallError> {
        let mut headers = HeaderMap::new();
        let bytes = match body {
            Body::Nothing => None,
            Body::Json(value) => Some(value.to_string().into_bytes()),
            Body::Lines(lines) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
                Some(lines)
            }
        };
        let response =
            self.transport.send(method, path, headers, None::<&()>, bytes, None).await.map_err(unanswered)?;
        read(response, path).await
    }
}

async fn read(response: Response, path: &str) -> Result<Value, CallError> {
    let status = response.status_code();
    let bytes = response.bytes().await.map_err(unanswered)?;
    let body: Result<Value, _> = serde_json::from_slice(&bytes);
    if status.is_success() {
        return body.map_err(|error| CallError::Unanswered(format!("the response is not JSON: {error}")));
    }
    let what = path.split('?').next().unwrap_or(path);
    let error = body.as_ref().map_or(&Value::Null, |body| &body["error"]);
    Err(CallError::Refused(Refused::new(status.as_u16(), error, what)))
}

fn unanswered(error: impl fmt::Display) -> CallError {
    CallError::Unanswered(error.to_string())
}

impl Refused {
    /// Creates a refusal from an error of the server. Its reason is left out: it may contain a document's values.
    pub fn new(status: u16, error: &Value, what: &str) -> Self {
        let mut kind = error["type"].as_str().unwrap_or("no reason given").to_owned();
        if let Some(cause) = error["caused_by"]["type"].as_str() {
            kind = format!("{kind}, {cause}");
        }
        // A field name is part of the schema, not a value.
        if let Some((_, rest)) = error["reason"].as_str().and_then(|reason| reason.split_once("field [")) {
            kind = format!("{kind}, field {}", rest.split(']').next().unwrap_or_default());
        }
        Self { status, kind, what: what.to_owned() }
    }

    /// The kind of store error that the refusal amounts to.
    pub fn store_error_kind(&self) -> StoreErrorKind {
        // A blocked, closed or missing index and a failed login are not caused by a message: an operator has to act.
        let passing = ["cluster_block_exception", "index_closed_exception", "index_not_found_exception"];
        let blocked = passing.iter().any(|kind| self.kind.starts_with(kind));
        match self.status {
            _ if blocked => StoreErrorKind::Unavailable,
            401 | 403 | 408 | 429 | 500.. => StoreErrorKind::Unavailable,
            409 => StoreErrorKind::Conflict,
            _ => StoreErrorKind::Broken,
        }
    }
}

impl CallError {
    /// Whether the server refused with this status.
    pub fn has_status(&self, status: u16) -> bool {
        matches!(self, Self::Refused(refused) if refused.status == status)
    }

    /// Whether the server refused for this reason.
    pub fn is(&self, kind: &str) -> bool {
        matches!(self, Self::Refused(refused) if refused.kind.starts_with(kind))
    }
}

impl From<Refused> for StoreError {
    fn from(refused: Refused) -> Self {
        let Refused { status, kind, what } = &refused;
        Self::new(refused.store_error_kind(), format!("elasticsearch: {what}: {kind} ({status})"))
    }
}

impl From<CallError> for StoreError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unanswered(why) => Self::unavailable(format!("elasticsearch: {why}")),
            CallError::Refused(refused) => refused.into(),
            CallError::Failed(error) => error,
        }
    }
}

impl From<StoreError> for CallError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}
