//! What search reads of others' events, where that is not the whole.

use events::contacts::{ContactAddedV2, ContactChangedV2, ContactRemoved};
use uuid::Uuid;

events::excerpt! {
    /// A contact as its owner has it.
    pub struct Contact {
        contact_id: Uuid,
        owner_id: Uuid,
        name: Name,
        emails: Vec<String>,
        phones: Vec<String>,
        urls: Vec<String>,
        work: Option<Work>,
        notes: Option<String>,
    }

    /// What a contact is called.
    pub struct Name { full: String }

    /// What a contact does for a living.
    #[derive(Default)]
    pub struct Work { company: Option<String>, title: Option<String> }

    /// A contact that has come in.
    pub struct NewContact(Contact) of ContactAddedV2;

    /// A contact that is otherwise than before.
    pub struct ChangedContact(Contact) of ContactChangedV2;

    /// A contact that is gone.
    pub struct RemovedContact { contact_id: Uuid } of ContactRemoved;
}
