//! The problem for JSON of another form than expected.

use super::{MAX_NAME, position::Position, shortened};
use crate::failure::{FieldError, Problem};

const MAX_DETAIL: usize = 300;

/// Names the field at fault, and what is wrong with it.
pub(super) fn invalid(body: &[u8], error: &serde_json::Error) -> Problem {
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
