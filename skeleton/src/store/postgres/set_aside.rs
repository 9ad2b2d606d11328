//! Messages that wait for another try or are parked: statements and rows.

use tokio_postgres::{Row, types::Json};

use crate::store::{SetAside, State};

/// Keeps a message, or what is new about one that is kept.
pub(super) const KEEP: &str = "insert into skeleton.set_aside as s (message_id, queue, name, subject, headers, body, state, attempts, due_at, reason, first_failed_at, last_failed_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    on conflict (message_id) do update set state = excluded.state, attempts = excluded.attempts, due_at = excluded.due_at,
        reason = excluded.reason, last_failed_at = excluded.last_failed_at";

/// Messages whose wait is over.
pub(super) const DUE: &str = "select message_id from skeleton.set_aside where queue = $1 and state = 'waiting' and due_at <= now() order by due_at limit $2";

/// The messages that a filter lets through, oldest first.
pub(super) const LIST: &str = "select message_id, queue, name, subject, headers, body, state, attempts, due_at, reason, first_failed_at, last_failed_at
    from skeleton.set_aside
    where ($1::uuid is null or message_id = $1) and ($2::text is null or name = $2) and ($3::text is null or subject = $3)
        and ($4::text is null or strpos(reason, $4) > 0) and ($5::text is null or state = $5)
    order by first_failed_at, message_id limit $6";

/// Takes a waiting message that nobody else is taking.
pub(super) const TAKE: &str = "delete from skeleton.set_aside where message_id = (
        select message_id from skeleton.set_aside where message_id = $1 and state = 'waiting' for update skip locked)
    returning message_id, queue, name, subject, headers, body, state, attempts, due_at, reason, first_failed_at, last_failed_at";

/// A row as `LIST` and `TAKE` return it.
pub(super) fn read(row: &Row) -> SetAside {
    SetAside {
        message: row.get(0),
        queue: row.get(1),
        name: row.get(2),
        subject: row.get(3),
        headers: row.get::<_, Json<_>>(4).0,
        body: row.get(5),
        state: State::from_word(row.get(6)),
        attempts: row.get::<_, i32>(7).unsigned_abs(),
        due_at: row.get(8),
        reason: row.get(9),
        first_failed_at: row.get(10),
        last_failed_at: row.get(11),
    }
}
