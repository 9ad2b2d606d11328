//! The messages of accounts, generated from the schema files in this folder.

mod versions;

events::snapshots!(accounts: AccountSnapshot by account_id, ListAccountSnapshots AccountSnapshots, SumAccounts AccountsSum);

include!(concat!(env!("OUT_DIR"), "/messages.rs"));
