//! JSON bodies: read whole, with a limit on depth. An error names the place of a mistake, never the value.

mod invalid;
mod position;

use std::pin::pin;

use bytes::{BufMut, Bytes, BytesMut};
use futures::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use warp::{Buf, Filter, Rejection};

use self::{invalid::invalid, position::Position};
use crate::failure::Problem;

const MAX_DEPTH: usize = 32;
const MAX_NAME: usize = 100;

/// The whole body as a value; its content type must be JSON.
pub fn body<T: DeserializeOwned + Send + 'static>() -> impl Filter<Extract = (T,), Error = Rejection> + Clone {
    warp::header::optional::<String>("content-type").and(bytes()).and_then(
        |content_type: Option<String>, body: Bytes| async move {
            read::<T>(content_type.as_deref(), &body).map_err(refuse)
        },
    )
}

/// A body that has been read, as a value; its content type must be JSON.
///
/// # Errors
/// 415 for another content type, 400 for invalid JSON, 422 for JSON of another form, with the field at fault.
pub fn read<T: DeserializeOwned>(content_type: Option<&str>, body: &[u8]) -> Result<T, Problem> {
    if content_type.is_some_and(is_json) {
        return parse(body);
    }
    Err(Problem::new(415, "unsupported-media-type", "the content-type of the body must be application/json"))
}

/// The whole body. Its size is limited before.
pub fn bytes() -> impl Filter<Extract = (Bytes,), Error = Rejection> + Clone {
    warp::body::stream().and_then(|stream| async move { whole(stream).await.map_err(refuse) })
}

async fn whole(stream: impl Stream<Item = Result<impl Buf, warp::Error>>) -> Result<Bytes, Problem> {
    let mut stream = pin!(stream);
    let mut whole = BytesMut::new();
    while let Some(piece) = stream.next().await {
        whole.put(piece.map_err(|_| Problem::new(400, "body-incomplete", "the body ended early"))?);
    }
    Ok(whole.freeze())
}

fn refuse(problem: Problem) -> Rejection {
    warp::reject::custom(problem)
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if Position::after(body).deepest > MAX_DEPTH {
        return Err(Problem::new(
            400,
            "json-too-deep",
            format!("the body has more than {MAX_DEPTH} levels of nesting"),
        ));
    }
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Data => invalid(body, &error),
        Category::Io | Category::Syntax | Category::Eof => {
            let place = format!("line {}, column {}", error.line(), error.column());
            Problem::new(400, "malformed-json", format!("the body is not valid JSON: error at {place}"))
        }
    })
}

fn shortened(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}
