//! The parts of other services' events that this service reads.

use accounts_events::Registered;
use uuid::Uuid;

::events::excerpt! {
    /// A new member.
    pub struct NewMember { account_id: Uuid } of Registered;
}
