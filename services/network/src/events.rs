//! Conversion of changes in the network to events.

use network_events::IdentityLinked;
use uuid::Uuid;

use crate::{
    domain::{Card, Placement, Profile},
    store::Listed,
};

/// A contact was added or changed, and is linked to this person.
pub fn linked(card: &Card, placement: &Placement) -> IdentityLinked {
    IdentityLinked {
        contact_id: card.contact_id,
        owner_id: card.owner_id,
        person_id: placement.person,
        member_id: placement.member_id,
        joined: false,
    }
}

/// A contact's person is this account from now on.
pub fn claimed(contact: &Listed, profile: &Profile, person: Uuid, joined: bool) -> IdentityLinked {
    IdentityLinked {
        contact_id: contact.contact_id,
        owner_id: contact.owner_id,
        person_id: person,
        member_id: Some(profile.account_id),
        joined,
    }
}
