//! The jobs and scheduled tasks of accounts.

pub mod erasing;
mod housekeeping;

use skeleton::{Jobs, store::postgres::Tx};

pub use housekeeping::housekeeping;

/// The jobs that accounts handles.
pub fn jobs() -> Jobs<Tx> {
    Jobs::new().on(erasing::remind)
}
