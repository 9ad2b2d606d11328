//! The messages of contacts, generated from the schema files in this folder.

mod versions;

events::snapshots!(contacts: ContactSnapshot by contact_id, ListContactSnapshots ContactSnapshots, SumContacts ContactsSum);

include!(concat!(env!("OUT_DIR"), "/messages.rs"));
