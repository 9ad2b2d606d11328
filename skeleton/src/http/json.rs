//! JSON bodies: read whole, with a limit on depth. An error names the place of a mistake, never the value.

use std::pin::pin;

use bytes::{BufMut, Bytes, BytesMut};
use futures::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use warp::{Buf, Filter, Rejection};

use crate::failure::{FieldError, Problem};

const MAX_DEPTH: usize = 32;
const MAX_NAME: usize = 100;
const MAX_DETAIL: usize = 300;

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

fn invalid(body: &[u8], error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let line_start = body
        .split_inclusive(|byte| *byte == b'\n')
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum::<usize>();
    let read = &body[..body.len().min(line_start + error.column())];
    let mut path = Position::after(read).path();
    let detail = if let Some(name) = named(text, "missing field `") {
        path.push(name);
        "is missing".to_owned()
    } else if let Some(name) = named(text, "unknown field `") {
        path.pop_if(|last| *last == name);
        path.push(name);
        "is not a known field".to_owned()
    } else if let Some(name) = named(text, "duplicate field `") {
        path.pop_if(|last| *last == name);
        path.push(name);
        "occurs twice".to_owned()
    } else if let Some((_, expected)) = text.rsplit_once(", expected ") {
        // The part before the comma repeats the value that was sent.
        format!("expected {expected}")
    } else {
        text.to_owned()
    };
    let (field, detail) = (shortened(&path.join("."), MAX_NAME), shortened(&detail, MAX_DETAIL));
    let told = if field.is_empty() { format!("the body is invalid: {detail}") } else { format!("{field} {detail}") };
    Problem { errors: vec![FieldError { field, detail }], ..Problem::new(422, "invalid-body", told) }
}

fn named(text: &str, start: &str) -> Option<String> {
    let (name, _) = text.strip_prefix(start)?.split_once('`')?;
    Some(shortened(name, MAX_NAME))
}

fn shortened(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

/// The position in the tree of a JSON text after reading part of it. Text that is not JSON gives some position.
#[derive(Default)]
struct Position<'a> {
    open: Vec<Level<'a>>,
    deepest: usize,
}

enum Level<'a> {
    Object { key: Option<&'a [u8]>, key_next: bool },
    Array { index: Option<usize> },
}

impl<'a> Position<'a> {
    fn after(text: &'a [u8]) -> Self {
        let mut position = Self::default();
        let mut at = 0;
        while at < text.len() {
            let length = if text[at] == b'"' { string_length(&text[at..]) } else { 1 };
            position.read(&text[at..at + length]);
            at += length;
        }
        position
    }

    fn read(&mut self, token: &'a [u8]) {
        if token[0].is_ascii_whitespace() {
            return;
        }
        if let Some(Level::Array { index: index @ None }) = self.open.last_mut()
            && token[0] != b']'
        {
            *index = Some(0);
        }
        match (token[0], self.open.last_mut()) {
            (b'{', _) => self.open.push(Level::Object { key: None, key_next: true }),
            (b'[', _) => self.open.push(Level::Array { index: None }),
            (b'}' | b']', _) => drop(self.open.pop()),
            (b',', Some(Level::Array { index: Some(index) })) => *index += 1,
            (b',', Some(Level::Object { key, key_next })) => (*key, *key_next) = (None, true),
            (b'"', Some(Level::Object { key, key_next: key_next @ true })) => {
                (*key, *key_next) = (Some(&token[1..]), false);
            }
            _ => {}
        }
        self.deepest = self.deepest.max(self.open.len());
    }

    fn path(&self) -> Vec<String> {
        let name = |level: &Level<'_>| match level {
            Level::Object { key, .. } => {
                key.map(|key| shortened(String::from_utf8_lossy(key).trim_end_matches('"'), MAX_NAME))
            }
            Level::Array { index } => index.map(|index| index.to_string()),
        };
        self.open.iter().filter_map(name).collect()
    }
}

/// The length of the string at the start of a text, quotes included; the whole text if the string does not end.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
