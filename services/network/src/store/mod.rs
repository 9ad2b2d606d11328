//! The queries of this service.
//!
//! The graph: `(:Person)-[:LISTS]->(:Contact)-[:IS]->(:Person)` says who has whom in their address book. A contact
//! `[:GIVES]` identifiers, and an identifier is `[:OF]` one person at most. The graph that requests query is derived
//! from that and updated with every change: one `[:KNOWS]` between two people, whichever of them lists the other, with
//! the number of contacts on either side and the resulting strength.
//!
//! What a decision depends on is locked until the transaction ends, by a write to it (`is_taken`), and read after that:
//! the owner of an address book, the account, the contact, the identifiers, the tie. So of two transactions about the
//! same thing the second sees what the first has written. If two transactions deadlock, the server aborts one, and it
//! is retried.

mod contacts;
mod members;
mod paths;
mod rebuild;

pub use contacts::{keep_identifiers, put, remove, situation_of, unlink};
pub use members::{Listed, contacts_of, enrol, erase, forget_sequence, move_to_member, remove_member, standing_of};
pub use paths::{acquaintances, degrees_of, reach, seeker, shortest_path, sought};
pub use rebuild::{contacts_within, forget_unused, is_damaged, members_within, mend_ties};

/// The database migrations.
pub const MIGRATIONS: &[(&str, &str)] = &[("V1__people", include_str!("../../migrations/V1__people.cypher"))];

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(T::to_string).collect()
}
