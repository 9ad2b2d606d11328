//! What accounts does later, and from time to time.

pub mod erasing;
mod housekeeping;

use skeleton::{Jobs, store::postgres::Tx};

pub use housekeeping::housekeeping;

/// The jobs that accounts works off.
pub fn jobs() -> Jobs<Tx> {
    Jobs::new().on(erasing::remind)
}
