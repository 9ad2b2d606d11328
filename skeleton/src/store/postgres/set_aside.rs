//! Statements and rows of set-aside messages.

use serde_json::value::RawValue;
use tokio_postgres::{
    Row,
    types::{Json, ToSql},
};

use crate::store::{Filter, SequencePosition, SetAside, State, kept_headers};

/// Inserts or updates a set-aside message. Its delay starts now by the clock that also decides when it is over: the
/// service's own clock may be wrong.
pub(super) const KEEP: &str = "insert into skeleton.set_aside as s (message_id, queue, name, subject, line, number, headers, body, state, attempts, due_at, reason, first_failed_at, last_failed_at, stack)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
        case when $9 = 'waiting' then now() + ($11::timestamptz - $14::timestamptz) else $11 end, $12, $13, $14, $15)
    on conflict (message_id) do update set state = excluded.state, attempts = excluded.attempts, due_at = excluded.due_at,
        reason = excluded.reason, stack = excluded.stack, last_failed_at = excluded.last_failed_at";

/// Removes a message that waits for its next attempt.
pub(super) const FORGET: &str = "delete from skeleton.set_aside where message_id = $1 and state = 'waiting'";

/// Messages that are due, and messages waiting for a predecessor whose turn has come, in all lines or some.
macro_rules! due {
    ($behind:literal) => {
        concat!(
            "select message_id from (
                select message_id, due_at from skeleton.set_aside
                where queue = $1 and state = 'waiting' and due_at <= now() and name <> all($2::text[])
                union all ",
            $behind,
            ") as due order by due_at limit $3"
        )
    };
}

/// Checks every message that waits for a predecessor.
pub(super) const DUE: &str = due!(
    "select message_id, due_at from skeleton.set_aside join skeleton.lines using (line)
    where queue = $1 and state = 'behind' and number <= last + 1 and name <> all($2::text[])"
);

/// Checks only the next messages of these lines: thousands may wait for a parked one.
pub(super) const DUE_IN_LINES: &str = due!(
    "select message_id, due_at from unnest($4::text[]) as moved (line) join skeleton.lines using (line)
        cross join lateral (
            select message_id, due_at from skeleton.set_aside
            where queue = $1 and state = 'behind' and line = moved.line and number <= last + 1
                and name <> all($2::text[])
            order by number limit $3
        ) as turn"
);

/// The messages that match a filter; the parameters are those of [`Conditions`].
macro_rules! that_fit {
    () => {
        "from skeleton.set_aside
            where ($1::uuid is null or message_id = $1) and ($2::text is null or name = $2)
                and ($3::text is null or subject = $3) and ($4::text is null or strpos(reason, $4) > 0)
                and ($5::text is null or state = $5) and ($6::text is null or queue = $6)
                and ($7::timestamptz is null or first_failed_at >= $7)
                and ($8::timestamptz is null or first_failed_at < $8) and ($9::integer is null or attempts >= $9) "
    };
}

/// The messages that match a filter, oldest first.
pub(super) const LIST: &str = concat!(
    "select message_id, queue, name, subject, line, number, headers, body, state, attempts, due_at, reason, first_failed_at, last_failed_at, stack ",
    that_fit!(),
    "order by first_failed_at, message_id limit $10"
);

/// Their ids.
pub(super) const IDS: &str =
    concat!("select message_id ", that_fit!(), "order by first_failed_at, message_id limit $10");

/// Their number by name and reason.
pub(super) const GROUPS: &str = concat!(
    "select name, reason, count(*) ",
    that_fit!(),
    "group by name, reason order by count(*) desc, name, reason limit $10"
);

/// The parameters of a filter.
pub(super) struct Conditions<'a> {
    filter: &'a Filter,
    state: Option<&'static str>,
    attempts: Option<i32>,
}

impl<'a> Conditions<'a> {
    pub(super) fn of(filter: &'a Filter) -> Self {
        let attempts = filter.attempts.map(|attempts| i32::try_from(attempts).unwrap_or(i32::MAX));
        Self { filter, state: filter.state.map(State::as_str), attempts }
    }

    /// All parameters, followed by the row limit.
    pub(super) fn then<'b>(&'b self, limit: &'b i64) -> [&'b (dyn ToSql + Sync); 10] {
        let Filter { id, name, subject, reason, queue, since, until, attempts: _, state: _ } = self.filter;
        [id, name, subject, reason, &self.state, queue, since, until, &self.attempts, limit]
    }
}

/// Takes out a waiting message, unless it is locked.
pub(super) const TAKE: &str = "delete from skeleton.set_aside where message_id = (
        select message_id from skeleton.set_aside where message_id = $1 and (state = 'behind' or state = 'waiting' and due_at <= now()) for update skip locked)
    returning message_id, queue, name, subject, line, number, headers, body, state, attempts, due_at, reason, first_failed_at, last_failed_at, stack";

/// Reads a row of `LIST` or `TAKE`.
pub(super) fn read(row: &Row) -> SetAside {
    let (line, number): (Option<String>, Option<i64>) = (row.get(4), row.get(5));
    SetAside {
        message: row.get(0),
        queue: row.get(1),
        name: row.get(2),
        subject: row.get(3),
        place: line.zip(number).map(|(line, number)| SequencePosition { line, number }),
        headers: kept_headers(row.get::<_, Json<&RawValue>>(6).0.get()),
        body: row.get(7),
        state: State::from_word(row.get(8)),
        attempts: row.get::<_, i32>(9).unsigned_abs(),
        due_at: row.get(10),
        reason: row.get(11),
        first_failed_at: row.get(12),
        last_failed_at: row.get(13),
        stack: row.get(14),
    }
}
