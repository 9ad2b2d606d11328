//! Message counts at a cost that does not grow with the number of messages.

use super::Postgres;
use crate::{failure::StoreError, store::Counts};

/// Counts are exact up to 10,000. Beyond that, the outbox is estimated from Postgres's table statistics, at most a few
/// minutes old; the others stay at 10,001.
const COUNT: &str = "with outbox as (
        select count(*) as counted from (select from skeleton.outbox order by position limit 10001) as oldest
    )
    select case when counted <= 10000 then counted else greatest(counted, (
            select reltuples::bigint from pg_class where oid = 'skeleton.outbox'::regclass)) end,
        coalesce(extract(epoch from now() - (
            select written_at from skeleton.outbox order by position limit 1)), 0)::float8,
        (select count(*) from (select from skeleton.set_aside where state = 'waiting' limit 10001) as waiting),
        (select count(*) from (select from skeleton.set_aside where state = 'behind' limit 10001) as behind),
        (select count(*) from (select from skeleton.set_aside where state = 'parked' limit 10001) as parked)
    from outbox";

pub(super) async fn counts(store: &Postgres) -> Result<Counts, StoreError> {
    let row = store.query_opt(COUNT, &[]).await?;
    let row = row.ok_or_else(|| StoreError::broken("the count returned no row"))?;
    Ok(Counts {
        outbox: row.get(0),
        outbox_age_seconds: row.get::<_, f64>(1).max(0.0),
        waiting: row.get(2),
        behind: row.get(3),
        parked: row.get(4),
    })
}
