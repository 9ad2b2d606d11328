//! What accounts does later.

use skeleton::{Jobs, store::postgres::Tx};

use crate::erasing::remind;

/// The jobs that accounts works off.
pub fn jobs() -> Jobs<Tx> {
    Jobs::new().on(remind)
}
