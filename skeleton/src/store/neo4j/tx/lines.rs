//! The cursors of lines.

use chrono::{DateTime, Utc};
use serde::Deserialize;

/// Locks the cursors of lines before reading them.
pub(super) const LOCK_LINES: &str = "UNWIND $lines AS name
    MERGE (line:Line {name: name}) ON CREATE SET line.last = 0
    SET line.is_taken = true
    WITH line
    OPTIONAL MATCH (given:GivenUp {line: line.name}) WHERE given.number > line.last
    WITH line, given ORDER BY given.number
    RETURN line.name AS line, line.last AS last, collect(given.number) AS given_up";

pub(super) const ADVANCE_LINES: &str = "UNWIND $rows AS row MATCH (line:Line {name: row.line})
    SET line.last = row.last, line.last_time = coalesce(row.at, line.last_time)";

pub(super) const LINE_TIMES: &str =
    "UNWIND $lines AS name MATCH (line:Line {name: name}) WHERE line.last_time IS NOT NULL
    RETURN line.name AS line, line.last_time AS at";

/// The cursor of a line, and the numbers after it that are given up.
#[derive(Deserialize)]
pub(super) struct LineAt {
    pub line: String,
    pub last: i64,
    pub given_up: Vec<i64>,
}

/// When the last event of a line was written.
#[derive(Deserialize)]
pub(super) struct LineTime {
    pub line: String,
    pub at: DateTime<Utc>,
}
