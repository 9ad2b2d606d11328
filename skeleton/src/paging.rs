//! Pages of a list: the limit and the cursor of a request, and the cursor of the next page.
//!
//! ```ignore
//! let request = PageRequest::<Uuid>::parse(asked.cursor.as_deref(), asked.limit, 50)?;
//! let found = store::list(&store, asked.account_id, request.after.as_ref(), request.fetch()).await?;
//! let (items, next_cursor) = request.page(found, |item| item.id);
//! ```

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::failure::{FieldError, Problem};

/// The maximum number of items on a page.
pub const LARGEST_PAGE: u32 = 200;

/// The sort key of an item, as encoded in a cursor.
pub trait CursorKey: Sized {
    /// Encodes the cursor.
    fn write(&self) -> String;

    /// Decodes a cursor; `None` if it is malformed.
    fn read(cursor: &str) -> Option<Self>;
}

impl CursorKey for Uuid {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(cursor: &str) -> Option<Self> {
        cursor.parse().ok()
    }
}

/// A text and an id, for lists that are ordered by a text: opaque to callers.
impl CursorKey for (String, Uuid) {
    fn write(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}{}", self.1.simple(), self.0))
    }

    fn read(cursor: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        // A forged cursor: no stored text contains it, and Postgres refuses it.
        if text.contains('\0') {
            return None;
        }
        let (id, key) = text.split_at_checked(32)?;
        Some((key.to_owned(), id.parse().ok()?))
    }
}

/// The requested page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest<K> {
    /// The key of the last item of the previous page; `None` for the first page.
    pub after: Option<K>,
    limit: u32,
}

impl<K: CursorKey> PageRequest<K> {
    /// Parses a page request. Without a limit, the page has `usual` items.
    ///
    /// # Errors
    /// 422 if the cursor is malformed, or the limit is not 1 to 200.
    pub fn parse(cursor: Option<&str>, limit: Option<u32>, usual: u32) -> Result<Self, Problem> {
        let limit = page_limit(limit, usual, LARGEST_PAGE)?;
        let after = cursor.map(|cursor| K::read(cursor).ok_or_else(malformed_cursor)).transpose()?;
        Ok(Self { after, limit })
    }

    /// The number of items to query: one more than the page has shows whether there is a next page.
    pub fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The page of the items found, and the cursor of the next page, if there is one.
    pub fn page<T>(&self, mut found: Vec<T>, key: impl FnOnce(&T) -> K) -> (Vec<T>, Option<String>) {
        let has_more = found.len() > self.limit as usize;
        found.truncate(self.limit as usize);
        let next = found.last().filter(|_| has_more).map(|last| key(last).write());
        (found, next)
    }
}

/// The number of items on a page.
///
/// # Errors
/// 422 if it is zero or above the maximum.
pub fn page_limit(asked: Option<u32>, usual: u32, largest: u32) -> Result<u32, Problem> {
    match asked.unwrap_or(usual) {
        limit if (1..=largest).contains(&limit) => Ok(limit),
        _ => Err(refusal("limit-out-of-range", "limit", format!("is a number from 1 to {largest}"))),
    }
}

/// The error for a cursor that does not belong to the list.
pub fn malformed_cursor() -> Problem {
    refusal("cursor-malformed", "cursor", "is not from this list: use next_cursor of the previous page".to_owned())
}

fn refusal(code: &'static str, field: &str, detail: String) -> Problem {
    let errors = vec![FieldError { field: field.to_owned(), detail: detail.clone() }];
    Problem { errors, ..Problem::new(422, code, format!("{field} {detail}")) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test should panic on the unexpected")]
mod tests {
    use super::*;

    fn request(limit: u32) -> PageRequest<(String, Uuid)> {
        PageRequest::parse(None, Some(limit), 50).unwrap()
    }

    #[test]
    fn a_page_has_a_next_cursor_only_if_there_is_more_and_it_leads_to_the_next_item() {
        let items = |count: u128| (1..=count).map(|n| (format!("nämé {n}"), Uuid::from_u128(n))).collect::<Vec<_>>();

        assert_eq!(request(2).page(items(2), Clone::clone), (items(2), None));
        let (page, next) = request(2).page(items(3), Clone::clone);

        assert_eq!((page, request(2).fetch()), (items(2), 3));
        let next = PageRequest::<(String, Uuid)>::parse(next.as_deref(), None, 50).unwrap();
        assert_eq!((next.after, next.limit), (Some(items(2)[1].clone()), 50));
    }

    #[test]
    fn wrong_limits_and_cursors_are_refused_with_their_field() {
        for (cursor, limit, field) in [
            (None, Some(0), "limit"),
            (None, Some(201), "limit"),
            (Some("%"), None, "cursor"),
            (Some("bm90IGFuIGlk"), None, "cursor"),
            (Some(""), None, "cursor"),
        ] {
            let problem = PageRequest::<(String, Uuid)>::parse(cursor, limit, 50).unwrap_err();
            assert_eq!((problem.status, problem.errors[0].field.as_str()), (422, field), "{cursor:?} {limit:?}");
        }
        assert!(PageRequest::<Uuid>::parse(Some("7"), None, 50).is_err());
        assert_eq!(PageRequest::<Uuid>::parse(Some(&Uuid::max().to_string()), Some(200), 50).unwrap().limit, 200);
    }
}
