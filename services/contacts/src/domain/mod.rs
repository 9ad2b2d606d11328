//! What a contact is, how it changes, and how a file becomes contacts. No clock, no database, no broker.

mod contact;
pub mod files;
mod import;

pub use contact::{Change, Contact, ContactRefusal};
pub use import::{Import, ImportRefusal, MAX_PART_BYTES, MAX_PARTS, Planned, Status, plan};
