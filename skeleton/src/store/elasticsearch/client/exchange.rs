//! One call: the request and its response.

use elasticsearch::http::{
    Method,
    headers::{CONTENT_TYPE, HeaderMap, HeaderValue},
    response::Response,
};
use serde_json::Value;

use super::{Body, CallError, Client, Refused};
use crate::causes::with_causes;

impl Client {
    pub(super) async fn exchange(&self, method: Method, path: &str, body: Body) -> Result<Value, CallError> {
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

fn unanswered(error: elasticsearch::Error) -> CallError {
    CallError::Unanswered(with_causes(&error))
}
