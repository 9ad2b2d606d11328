//! How an owner gives what it has to those who keep a copy: page by page, with a sum to compare the copy by.

use uuid::Uuid;

use crate::{Request, accounts, contacts};

/// One thing as its owner has it now.
pub trait Snapshot: Clone + Send + Sync + 'static {
    /// What the owner is asked for a page of them.
    type List: Request;

    /// What the owner is asked for their sum.
    type Sum: Request;

    /// Asks for a page of those whose ids begin with these digits.
    fn list(within: &str, after: Option<Uuid>, limit: Option<u32>) -> Self::List;

    /// What is asked for: the digits that ids begin with, the id to begin after, and the limit.
    fn asked(list: &Self::List) -> (&str, Option<Uuid>, Option<u32>);

    /// A page: the things, and what the next page begins after.
    fn page(things: Vec<Self>, next: Option<Uuid>) -> <Self::List as Request>::Reply;

    /// Reads a page: the things, and what the next page begins after; `None` on the last.
    fn listed(page: <Self::List as Request>::Reply) -> (Vec<Self>, Option<Uuid>);

    /// Asks for the sum of those whose ids begin with these digits.
    fn sum(within: &str) -> Self::Sum;

    /// The digits that the ids of a sum begin with.
    fn asked_sum(sum: &Self::Sum) -> &str;

    /// A sum: how many there are, and their checksum.
    fn total(count: i64, checksum: String) -> <Self::Sum as Request>::Reply;

    /// Reads a sum: how many there are, and their checksum.
    fn summed(sum: <Self::Sum as Request>::Reply) -> (i64, String);

    /// Its id and the number of the newest event about it.
    fn state(&self) -> (Uuid, i64);
}

/// Things of a service, by their id: the messages differ in nothing but names.
macro_rules! snapshots {
    ($owner:ident, $things:ident: $snapshot:ident by $id:ident, $list:ident $page:ident, $sum:ident $total:ident) => {
        impl Snapshot for $owner::$snapshot {
            type List = $owner::$list;
            type Sum = $owner::$sum;

            fn list(within: &str, after: Option<Uuid>, limit: Option<u32>) -> Self::List {
                $owner::$list { within: within.to_owned(), after, limit }
            }

            fn asked(list: &Self::List) -> (&str, Option<Uuid>, Option<u32>) {
                (&list.within, list.after, list.limit)
            }

            fn page($things: Vec<Self>, next: Option<Uuid>) -> <Self::List as Request>::Reply {
                $owner::$page { $things, next }
            }

            fn listed(page: <Self::List as Request>::Reply) -> (Vec<Self>, Option<Uuid>) {
                (page.$things, page.next)
            }

            fn sum(within: &str) -> Self::Sum {
                $owner::$sum { within: within.to_owned() }
            }

            fn asked_sum(sum: &Self::Sum) -> &str {
                &sum.within
            }

            fn total(count: i64, checksum: String) -> <Self::Sum as Request>::Reply {
                $owner::$total { count, checksum }
            }

            fn summed(sum: <Self::Sum as Request>::Reply) -> (i64, String) {
                (sum.count, sum.checksum)
            }

            fn state(&self) -> (Uuid, i64) {
                (self.$id, self.sequence)
            }
        }
    };
}

snapshots!(accounts, accounts: AccountSnapshot by account_id, ListAccountSnapshots AccountSnapshots, SumAccounts AccountsSum);
snapshots!(contacts, contacts: ContactSnapshot by contact_id, ListContactSnapshots ContactSnapshots, SumContacts ContactsSum);
