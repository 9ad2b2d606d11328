//! Messages that wait for another try or are parked: statements and rows.

use tokio_postgres::{Row, types::Json};

use crate::{
    messaging::order::Place,
    store::{SetAside, State},
};

/// Keeps a message, or what is new about one that is kept.
pub(super) const KEEP: &str = "insert into skeleton.set_aside as s (message_id, queue, name, subject, line, number, headers, body, state, attempts, due_at, reason, first_failed_at, last_failed_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    on conflict (message_id) do update set state = excluded.state, attempts = excluded.attempts, due_at = excluded.due_at,
        reason = excluded.reason, last_failed_at = excluded.last_failed_at";

/// Messages whose wait is over, and those whose turn it is now.
pub(super) const DUE: &str = "select message_id from (
        select message_id, due_at from skeleton.set_aside where queue = $1 and state = 'waiting' and due_at <= now()
        union all
        select message_id, due_at from skeleton.set_aside join skeleton.lines using (line)
        where queue = $1 and state = 'behind' and number <= last + 1
    ) as due order by due_at limit $2";

/// Lets parked messages wait for an attempt that is due. Where one is behind, the numbers before it that are nowhere
/// set aside are given up: ten thousand at most, so that a number out of this world does no harm.
pub(super) const REDRIVE: &str = "with chosen as (
        select message_id, state, line, number from skeleton.set_aside
        where message_id = any($1) and state in ('parked', 'behind') for update
    ), missing as (
        insert into skeleton.given_up (line, number)
        select chosen.line, n from chosen left join skeleton.lines using (line),
            generate_series(greatest(coalesce(last, 0) + 1, chosen.number - 10000), chosen.number - 1) as n
        where chosen.state = 'behind'
            and not exists (select from skeleton.set_aside kept where kept.line = chosen.line and kept.number = n)
        on conflict do nothing
    )
    update skeleton.set_aside set state = 'waiting', attempts = 0, due_at = now()
    where message_id in (select message_id from chosen)";

/// Forgets messages. Their numbers are given up, and those behind them look again whether it is their turn.
pub(super) const DROP: &str = "with dropped as (
        delete from skeleton.set_aside where message_id = any($1) and state in ('parked', 'behind') returning line, number
    ), numbers as (
        insert into skeleton.given_up (line, number) select line, number from dropped where line is not null
        on conflict do nothing
    ), next as (
        update skeleton.set_aside set state = 'waiting', due_at = now()
        where state = 'behind' and line in (select line from dropped) and not message_id = any($1)
    )
    select count(*) from dropped";

/// The messages that a filter lets through, oldest first.
pub(super) const LIST: &str = "select message_id, queue, name, subject, line, number, headers, body, state, attempts, due_at, reason, first_failed_at, last_failed_at
    from skeleton.set_aside
    where ($1::uuid is null or message_id = $1) and ($2::text is null or name = $2) and ($3::text is null or subject = $3)
        and ($4::text is null or strpos(reason, $4) > 0) and ($5::text is null or state = $5)
    order by first_failed_at, message_id limit $6";

/// Takes a waiting message that nobody else is taking.
pub(super) const TAKE: &str = "delete from skeleton.set_aside where message_id = (
        select message_id from skeleton.set_aside where message_id = $1 and state in ('waiting', 'behind') for update skip locked)
    returning message_id, queue, name, subject, line, number, headers, body, state, attempts, due_at, reason, first_failed_at, last_failed_at";

/// A row as `LIST` and `TAKE` return it.
pub(super) fn read(row: &Row) -> SetAside {
    let (line, number): (Option<String>, Option<i64>) = (row.get(4), row.get(5));
    SetAside {
        message: row.get(0),
        queue: row.get(1),
        name: row.get(2),
        subject: row.get(3),
        place: line.zip(number).map(|(line, number)| Place { line, number }),
        headers: row.get::<_, Json<_>>(6).0,
        body: row.get(7),
        state: State::from_word(row.get(8)),
        attempts: row.get::<_, i32>(9).unsigned_abs(),
        due_at: row.get(10),
        reason: row.get(11),
        first_failed_at: row.get(12),
        last_failed_at: row.get(13),
    }
}
