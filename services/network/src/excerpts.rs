//! The parts of other services' events that network reads.

use accounts_events::{ProfileChanged, Registered};
use contacts_events::{ContactAddedV2, ContactChangedV2, ContactRemoved};
use uuid::Uuid;

::events::excerpt! {
    /// A member's name and privacy settings.
    pub struct Member { account_id: Uuid, email: String, name: String, discoverable: bool, nameable: bool }

    /// A new member.
    pub struct NewMember(Member) of Registered;

    /// A member whose profile has changed.
    pub struct ChangedMember(Member) of ProfileChanged;

    /// A contact's name and identifiers.
    pub struct Contact {
        contact_id: Uuid,
        owner_id: Uuid,
        name: Name,
        emails: Vec<String>,
        phones: Vec<String>,
        urls: Vec<String>,
    }

    /// A name.
    pub struct Name { full: String }

    /// A new contact.
    pub struct NewContact(Contact) of ContactAddedV2;

    /// A changed contact.
    pub struct ChangedContact(Contact) of ContactChangedV2;

    /// A removed contact.
    pub struct RemovedContact { contact_id: Uuid, owner_id: Uuid } of ContactRemoved;
}
