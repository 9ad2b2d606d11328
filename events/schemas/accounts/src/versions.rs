//! Upcasts and downcasts of the messages of accounts.
//!
//! Version 2 of the request to erase an account is answered with a receipt.

use crate::{EraseAccount, EraseAccountV2};
use events::versions::Supersedes;

impl Supersedes for EraseAccountV2 {
    type Old = EraseAccount;

    /// A request is sent in one version, together with its reply's version.
    const DOWNCAST: Option<fn(&Self) -> EraseAccount> = None;

    fn upcast(old: EraseAccount) -> Self {
        Self { account_id: old.account_id }
    }
}
