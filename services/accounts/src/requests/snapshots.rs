//! What accounts tells those who keep a copy: every account as it is now, and a sum that tells whether they have the same.

use events::accounts::AccountSnapshot;
use skeleton::{
    HandlerResult, Postgres, ReadContext, RequestHandlers,
    rebuild::{Slice, SnapshotPage, Sum},
};

use crate::{domain::Account, store};

/// The requests that only keepers of copies may ask.
pub fn answers() -> RequestHandlers<Postgres> {
    RequestHandlers::new().snapshots(page, sum)
}

/// Answers `list-account-snapshots`: a page of accounts as they are now.
async fn page(asked: SnapshotPage, store: ReadContext<Postgres>) -> HandlerResult<Vec<AccountSnapshot>> {
    let found = store::snapshots(&store, &asked).await?;
    Ok(found.into_iter().map(|(account, sequence)| snapshot(account, sequence)).collect())
}

/// Answers `sum-accounts`: how many there are, and in which state.
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
