//! Contacts and imports, and their rules. Without clock, database or broker.

mod contact;
pub mod files;
mod import;

pub use contact::{Change, Contact, ContactRefusal};
pub use import::{Import, ImportRefusal, MAX_PART_BYTES, MAX_PARTS, Planned, Status, plan};
