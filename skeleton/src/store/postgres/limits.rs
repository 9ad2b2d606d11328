//! Shared rate limits in Postgres: one row for each slot; one statement takes slots, another releases them.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio_postgres::Row;
use uuid::Uuid;

use super::Postgres;
use crate::{
    failure::StoreError,
    store::limits::{CallAdmission, Limit, SharedLimits},
};

/// Takes a slot of each kind or none. Returns whether it did, the number of slots, and when the next are free. Skips
/// slots that another replica is taking.
const TAKE: &str = "with places as (
        select kind, place, free_at from skeleton.partner_places
        where partner = $1 and place < case kind when 'period' then $2::int else $3::int end
    ), in_period as (
        select place from skeleton.partner_places
        where partner = $1 and kind = 'period' and place < $2 and free_at <= clock_timestamp()
        order by place limit 1 for update skip locked
    ), at_once as (
        select place from skeleton.partner_places
        where partner = $1 and kind = 'at once' and place < $3 and free_at <= clock_timestamp()
        order by place limit 1 for update skip locked
    ), taken as (
        update skeleton.partner_places p set call = $4, free_at = clock_timestamp()
            + make_interval(secs => $5::float8 + case p.kind when 'period' then $6::float8 else 0 end)
        from in_period, at_once
        where p.partner = $1 and p.place = case p.kind when 'period' then in_period.place else at_once.place end
        returning 1
    )
    select exists (select from taken), count(*), extract(epoch from greatest(
        min(free_at) filter (where kind = 'period'),
        min(free_at) filter (where kind = 'at once')) - clock_timestamp())::float8
    from places";

/// Releases the slots of a call, if it still has them.
const LEAVE: &str = "update skeleton.partner_places set call = null, free_at = clock_timestamp()
        + make_interval(secs => case kind when 'period' then $3::float8 else 0 end)
    where partner = $1 and call = $2";

/// Creates missing slots.
const MAKE: &str = "insert into skeleton.partner_places (partner, kind, place)
    select $1, 'period', generate_series(0, $2::int - 1) union all select $1, 'at once', generate_series(0, $3::int - 1)
    on conflict do nothing";

impl SharedLimits for Postgres {
    fn take_turn<'a>(&'a self, limit: &'a Limit, call: Uuid) -> BoxFuture<'a, Result<CallAdmission, StoreError>> {
        Box::pin(async move {
            let (calls, at_once) = (limit.calls.cast_signed(), limit.at_once.cast_signed());
            let asked = self.take_place(limit, call).await?;
            let (is_taken, places): (bool, i64) = (asked.get(0), asked.get(1));
            if is_taken {
                return Ok(CallAdmission::Now);
            }
            if places < i64::from(calls) + i64::from(at_once) {
                self.execute(MAKE, &[&limit.partner, &calls, &at_once]).await?;
                return Ok(CallAdmission::After(Duration::ZERO));
            }
            let wait: Option<f64> = asked.get(2);
            Ok(CallAdmission::After(Duration::try_from_secs_f64(wait.unwrap_or_default()).unwrap_or_default()))
        })
    }

    fn end_turn<'a>(&'a self, limit: &'a Limit, call: Uuid) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let period = limit.period.as_secs_f64();
            self.execute(LEAVE, &[&limit.partner, &call, &period]).await.map(drop)
        })
    }
}

impl Postgres {
    async fn take_place(&self, limit: &Limit, call: Uuid) -> Result<Row, StoreError> {
        let (calls, at_once) = (limit.calls.cast_signed(), limit.at_once.cast_signed());
        let (longest_call, period) = (limit.longest_call.as_secs_f64(), limit.period.as_secs_f64());
        let found = self.query_opt(TAKE, &[&limit.partner, &calls, &at_once, &call, &longest_call, &period]).await?;
        found.ok_or_else(|| StoreError::broken("the count of slots returned no row"))
    }
}
