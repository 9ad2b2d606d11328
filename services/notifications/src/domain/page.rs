//! Which part of a feed is asked for.

use skeleton::Refusal;
use uuid::Uuid;

/// A part of a feed, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The last notification of the page before.
    pub after: Option<Uuid>,
    /// How many at most.
    pub limit: u32,
}

/// Why a page cannot be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageRefusal {
    /// The cursor is none of ours.
    #[error("the cursor is not one of this feed: use next_cursor of the page before")]
    Cursor,
    /// Too few or too many.
    #[error("a page has 1 to 200 notifications")]
    Limit,
}

impl Page {
    /// Reads what was asked for.
    ///
    /// # Errors
    /// Where the cursor is none of ours, or the limit is none.
    pub fn parse(cursor: Option<&str>, limit: Option<u32>) -> Result<Self, PageRefusal> {
        let limit = limit.unwrap_or(20);
        if !(1..=200).contains(&limit) {
            return Err(PageRefusal::Limit);
        }
        let after = cursor.map(|cursor| cursor.parse().map_err(|_| PageRefusal::Cursor)).transpose()?;
        Ok(Self { after, limit })
    }
}

impl Refusal for PageRefusal {
    fn status(&self) -> u16 {
        422
    }

    fn code(&self) -> &'static str {
        "invalid-page"
    }

    fn field(&self) -> Option<&'static str> {
        Some(match self {
            Self::Cursor => "cursor",
            Self::Limit => "limit",
        })
    }
}
