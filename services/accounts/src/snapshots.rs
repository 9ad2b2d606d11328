//! What accounts tells those who keep a copy: every account as it is now, and a sum that tells whether they have the same.

use events::accounts::{AccountSnapshot, AccountSnapshots, AccountsSum, ListAccountSnapshots, SumAccounts};
use skeleton::{
    Answered, Answers, Postgres, Reading,
    rebuild::{Slice, page_limit},
};

use crate::{domain::Account, store};

/// The requests that only keepers of copies may ask.
pub fn answers() -> Answers<Postgres> {
    Answers::new().read(list_account_snapshots).read(sum_accounts)
}

/// Answers `list-account-snapshots`: a page of accounts as they are now.
async fn list_account_snapshots(asked: ListAccountSnapshots, store: Reading<Postgres>) -> Answered<AccountSnapshots> {
    let (slice, limit) = (Slice::parse(&asked.within)?, page_limit(asked.limit)?);
    let found = store::snapshots(&store, &slice, asked.after, limit).await?;
    let next = found.last().filter(|_| found.len() as i64 == limit).map(|(account, _)| account.id);
    let accounts = found.into_iter().map(|(account, sequence)| snapshot(account, sequence)).collect();
    Ok(AccountSnapshots { accounts, next })
}

/// Answers `sum-accounts`: how many there are, and in which state.
async fn sum_accounts(asked: SumAccounts, store: Reading<Postgres>) -> Answered<AccountsSum> {
    let (count, checksum) = store::sum(&store, &Slice::parse(&asked.within)?).await?;
    Ok(AccountsSum { count, checksum })
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
