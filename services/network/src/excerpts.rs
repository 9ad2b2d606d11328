//! What network reads of others' events, where that is not the whole.

use ::events::{
    accounts::{ProfileChanged, Registered},
    contacts::{ContactAddedV2, ContactChangedV2, ContactRemoved},
};
use uuid::Uuid;

::events::excerpt! {
    /// What a member is called, and what others may see of them.
    pub struct Member { account_id: Uuid, email: String, name: String, discoverable: bool, nameable: bool }

    /// A new member.
    pub struct NewMember(Member) of Registered;

    /// A member who has changed something.
    pub struct ChangedMember(Member) of ProfileChanged;

    /// What a contact is called, and what they are known by.
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

    /// A contact that has come in.
    pub struct NewContact(Contact) of ContactAddedV2;

    /// A contact that is otherwise than before.
    pub struct ChangedContact(Contact) of ContactChangedV2;

    /// A contact that is gone.
    pub struct RemovedContact { contact_id: Uuid, owner_id: Uuid } of ContactRemoved;
}
