//! How an owner serves snapshots of its entities: page by page, with a checksum to verify a copy.

use uuid::Uuid;

use crate::Request;

/// The present state of one entity at its owner.
pub trait Snapshot: Clone + Send + Sync + 'static {
    /// The request for a page.
    type List: Request;

    /// The request for the checksum.
    type Sum: Request;

    /// Builds the request for a page of the entities whose ids begin with these digits.
    fn list(within: &str, after: Option<Uuid>, limit: Option<u32>) -> Self::List;

    /// Reads such a request: the id prefix, the id after which the page begins, and the limit.
    fn asked(list: &Self::List) -> (&str, Option<Uuid>, Option<u32>);

    /// Builds a page: the entities, and the id after which the next page begins.
    fn page(things: Vec<Self>, next: Option<Uuid>) -> <Self::List as Request>::Reply;

    /// Reads a page: the entities, and the id after which the next page begins; `None` on the last page.
    fn listed(page: <Self::List as Request>::Reply) -> (Vec<Self>, Option<Uuid>);

    /// Builds the request for the checksum of the entities whose ids begin with these digits.
    fn sum(within: &str) -> Self::Sum;

    /// Reads the id prefix of such a request.
    fn asked_sum(sum: &Self::Sum) -> &str;

    /// Builds the reply with the number of entities and their checksum.
    fn total(count: i64, checksum: String) -> <Self::Sum as Request>::Reply;

    /// Reads the number of entities and their checksum.
    fn summed(sum: <Self::Sum as Request>::Reply) -> (i64, String);

    /// Returns the id and the sequence of the newest event about the entity.
    fn state(&self) -> (Uuid, i64);
}

/// Implements [`Snapshot`] for entities identified by id, whose messages differ only in names: in the owner's package.
///
/// ```ignore
/// events::snapshots!(contacts: ContactSnapshot by contact_id, ListContactSnapshots ContactSnapshots, SumContacts ContactsSum);
/// ```
#[macro_export]
macro_rules! snapshots {
    ($things:ident: $snapshot:ident by $id:ident, $list:ident $page:ident, $sum:ident $total:ident) => {
        impl $crate::Snapshot for $snapshot {
            type List = $list;
            type Sum = $sum;

            fn list(within: &str, after: Option<uuid::Uuid>, limit: Option<u32>) -> $list {
                $list { within: within.to_owned(), after, limit }
            }

            fn asked(list: &$list) -> (&str, Option<uuid::Uuid>, Option<u32>) {
                (&list.within, list.after, list.limit)
            }

            fn page($things: Vec<Self>, next: Option<uuid::Uuid>) -> $page {
                $page { $things, next }
            }

            fn listed(page: $page) -> (Vec<Self>, Option<uuid::Uuid>) {
                (page.$things, page.next)
            }

            fn sum(within: &str) -> $sum {
                $sum { within: within.to_owned() }
            }

            fn asked_sum(sum: &$sum) -> &str {
                &sum.within
            }

            fn total(count: i64, checksum: String) -> $total {
                $total { count, checksum }
            }

            fn summed(sum: $total) -> (i64, String) {
                (sum.count, sum.checksum)
            }

            fn state(&self) -> (uuid::Uuid, i64) {
                (self.$id, self.sequence)
            }
        }
    };
}
