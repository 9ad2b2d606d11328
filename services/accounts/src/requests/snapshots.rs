//! Snapshots and checksums of accounts, for services that keep a read model of them.

use accounts_events::AccountSnapshot;
use skeleton::{
    HandlerResult, Postgres, ReadContext, RequestHandlers,
    rebuild::{Slice, SnapshotPage, Sum},
};

use crate::{domain::Account, store};

/// The requests that only services with a read model may send.
pub fn answers() -> RequestHandlers<Postgres> {
    RequestHandlers::new().snapshots(page, sum)
}

/// Handles `list-account-snapshots`: a page of accounts in their present state.
async fn page(asked: SnapshotPage, store: ReadContext<Postgres>) -> HandlerResult<Vec<AccountSnapshot>> {
    let found = store::snapshots(&store, &asked).await?;
    Ok(found.into_iter().map(|(account, sequence)| snapshot(account, sequence)).collect())
}

/// Handles `sum-accounts`: the number of accounts and their checksum.
async fn sum(within: Slice, store: ReadContext<Postgres>) -> HandlerResult<Sum> {
    Ok(store::sum(&store, &within).await?)
}

fn snapshot(account: Account, sequence: i64) -> AccountSnapshot {
    AccountSnapshot {
        account_id: account.id,
        sequence,
        email: account.email.as_str().to_owned(),
        name: account.name.as_str().to_owned(),
        discoverable: account.discoverable,
        nameable: account.nameable,
    }
}
