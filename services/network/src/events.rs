//! How what happens in the network becomes an event.

use events::network::IdentityLinked;
use uuid::Uuid;

use crate::{
    domain::{Card, Placement, Profile},
    store::Listed,
};

/// A contact came in, or has changed, and is this person from now on.
pub fn linked(card: &Card, placement: &Placement) -> IdentityLinked {
    IdentityLinked {
        contact_id: card.contact_id,
        owner_id: card.owner_id,
        person_id: placement.person,
        member_id: placement.member_id,
        joined: false,
    }
}

/// The person of a contact is this account from now on.
pub fn claimed(contact: &Listed, profile: &Profile, person: Uuid, joined: bool) -> IdentityLinked {
    IdentityLinked {
        contact_id: contact.contact_id,
        owner_id: contact.owner_id,
        person_id: person,
        member_id: Some(profile.account_id),
        joined,
    }
}
