//! What people do by hand: they add a contact, and change it.

use contacts_events::{AddContact, ChangeContact};
use uuid::Uuid;

use crate::demo::Person;

/// The contact to add for this person.
pub fn by_hand_of(account: Uuid, person: &Person) -> AddContact {
    AddContact {
        account_id: account,
        name: person.name(),
        given_name: None,
        family_name: None,
        emails: vec![person.email()],
        phones: Vec::new(),
        company: None,
        title: None,
        notes: None,
        urls: Vec::new(),
    }
}

/// Changes only the notes, which neither the network nor notifications use.
pub fn change_of(account: Uuid, contact: Uuid, number: usize) -> ChangeContact {
    ChangeContact {
        contact_id: contact,
        account_id: account,
        name: None,
        given_name: None,
        family_name: None,
        emails: None,
        phones: None,
        company: None,
        title: None,
        notes: Some(format!("change {number}")),
        urls: None,
    }
}
