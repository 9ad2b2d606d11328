//! The parts of other services' events that this service reads.

use accounts_events::{ProfileChanged, Registered};
use contacts_events::{ContactAddedV2, ContactChangedV2, ContactRemoved};
use network_events::IdentityLinked;
use uuid::Uuid;

::events::excerpt! {
    /// A member's address.
    pub struct Member { account_id: Uuid, email: String }

    /// A new member.
    pub struct NewMember(Member) of Registered;

    /// A member whose profile has changed, perhaps including the address.
    pub struct ChangedMember(Member) of ProfileChanged;

    /// A contact's name.
    pub struct Contact { contact_id: Uuid, owner_id: Uuid, name: Name }

    /// A name.
    pub struct Name { full: String }

    /// A new contact.
    pub struct NewContact(Contact) of ContactAddedV2;

    /// A changed contact.
    pub struct ChangedContact(Contact) of ContactChangedV2;

    /// A removed contact.
    pub struct RemovedContact { contact_id: Uuid, owner_id: Uuid } of ContactRemoved;

    /// A contact that is linked to a person.
    pub struct LinkedContact { contact_id: Uuid, owner_id: Uuid, joined: bool } of IdentityLinked;
}
