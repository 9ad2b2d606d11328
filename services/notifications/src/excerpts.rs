//! What this service reads of others' events, where that is not the whole.

use ::events::{
    accounts::{ProfileChanged, Registered},
    contacts::{ContactAddedV2, ContactChangedV2, ContactRemoved},
    network::IdentityLinked,
};
use uuid::Uuid;

::events::excerpt! {
    /// Where a member can be told something.
    pub struct Member { account_id: Uuid, email: String }

    /// A new member.
    pub struct NewMember(Member) of Registered;

    /// A member who has changed something, maybe the address.
    pub struct ChangedMember(Member) of ProfileChanged;

    /// What a contact is called.
    pub struct Contact { contact_id: Uuid, owner_id: Uuid, name: Name }

    /// A name.
    pub struct Name { full: String }

    /// A contact that has come in.
    pub struct NewContact(Contact) of ContactAddedV2;

    /// A contact that is otherwise than before.
    pub struct ChangedContact(Contact) of ContactChangedV2;

    /// A contact that is gone.
    pub struct RemovedContact { contact_id: Uuid, owner_id: Uuid } of ContactRemoved;

    /// A contact whose person is known.
    pub struct LinkedContact { contact_id: Uuid, owner_id: Uuid, joined: bool } of IdentityLinked;
}
