//! Leases in Postgres. A fenced transaction holds a row lock that allows the holder to renew but no other replica to
//! take over.

use std::time::Duration;

use super::{Postgres, Tx};
use crate::{
    failure::StoreError,
    store::leases::{Fenced, Lease, Leases},
};

/// Renews the lease, takes over one that has expired and is not locked by a fenced transaction, or creates it.
const CLAIM: &str = "with renewed as (
        update skeleton.leases set expires_at = clock_timestamp() + make_interval(secs => $3)
        where name = $1 and holder = $2 returning fence
    ), free as (
        select name from skeleton.leases where name = $1 and holder <> $2 and expires_at < clock_timestamp()
        for update skip locked
    ), taken as (
        update skeleton.leases as l set holder = $2, fence = fence + 1, expires_at = clock_timestamp() + make_interval(secs => $3)
        from free where l.name = free.name returning fence
    ), made as (
        insert into skeleton.leases (name, holder, fence, expires_at)
        values ($1, $2, 1, clock_timestamp() + make_interval(secs => $3)) on conflict do nothing returning fence
    )
    select fence from renewed union all select fence from taken union all select fence from made";

/// A holder that freezes in the transaction keeps its lock until the server ends the transaction: 15 seconds.
const FENCE: &str = "select set_config('idle_in_transaction_session_timeout', '15s', true)
    from (select from skeleton.leases where name = $1 and holder = $2 and fence = $3 for key share) as held";

impl Leases for Postgres {
    async fn claim(&self, name: &str, holder: &str, lasts: Duration) -> Result<Option<Lease>, StoreError> {
        let row = self.query_opt(CLAIM, &[&name, &holder, &lasts.as_secs_f64()]).await?;
        Ok(row.map(|row| Lease { name: name.to_owned(), holder: holder.to_owned(), fence: row.get(0) }))
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let sql = "update skeleton.leases set expires_at = '-infinity' where name = $1 and holder = $2 and fence = $3";
        self.execute(sql, &[&lease.name, &lease.holder, &lease.fence]).await.map(drop)
    }
}

impl Fenced for Tx {
    async fn fence(&mut self, lease: &Lease) -> Result<(), StoreError> {
        let held = self.query_opt(FENCE, &[&lease.name, &lease.holder, &lease.fence]).await?;
        held.map(drop).ok_or_else(|| lease.lost())
    }
}
