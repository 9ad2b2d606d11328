//! Every query of this service.
//!
//! The graph: `(:Person)-[:LISTS]->(:Contact)-[:IS]->(:Person)` is who has whom in their address book, a contact
//! `[:GIVES]` identifiers, and an identifier is that `[:OF]` one person at most. From that follows, and is kept up
//! with every change, the graph that questions are about: one `[:KNOWS]` between two people, whichever of them lists
//! the other, with the number of contacts on either side and the strength that comes of them.
//!
//! What a decision rests on is locked until the transaction ends, by a write to it (`is_taken`), and read after that: the
//! owner of an address book, the account, the contact, the identifiers, the tie. So of two transactions about the same
//! thing the second sees what the first has done. Where two wait for each other, the server ends one, and it is tried
//! again.

mod contacts;
mod members;
mod paths;
mod rebuild;

pub use contacts::{keep_identifiers, put, remove, situation_of, unlink};
pub use members::{Listed, contacts_of, enrol, erase, move_to_member, standing_of};
pub use paths::{acquaintances, degrees_of, reach, seeker, shortest_path, sought};
pub use rebuild::{contacts_within, forget_unused, is_damaged, members_within, mend_ties};

/// The database's structure.
pub const MIGRATIONS: &[(&str, &str)] = &[("V1__people", include_str!("../../migrations/V1__people.cypher"))];

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(T::to_string).collect()
}
