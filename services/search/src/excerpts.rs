//! The parts of other services' events that search reads.

use contacts_events::{ContactAddedV2, ContactChangedV2, ContactRemoved};
use uuid::Uuid;

events::excerpt! {
    /// A contact in its present state.
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

    /// A contact's name.
    pub struct Name { full: String }

    /// A contact's job.
    #[derive(Default)]
    pub struct Work { company: Option<String>, title: Option<String> }

    /// A new contact.
    pub struct NewContact(Contact) of ContactAddedV2;

    /// A changed contact.
    pub struct ChangedContact(Contact) of ContactChangedV2;

    /// A removed contact.
    pub struct RemovedContact { contact_id: Uuid } of ContactRemoved;
}
