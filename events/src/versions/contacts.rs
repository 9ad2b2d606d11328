//! What became of the messages of contacts.
//!
//! Version 2 of a contact's events has its name and its work as objects of their own, where more parts can come in.

use super::Supersedes;
use crate::contacts::{ContactAdded, ContactAddedV2, ContactChanged, ContactChangedV2, PersonName, Work};

/// Both events carry the whole contact; they differ in what they call their time.
macro_rules! name_and_work_become_objects {
    ($new:ty, $old:ty, $at:ident) => {
        impl Supersedes for $new {
            type Old = $old;

            const DOWNCAST: Option<fn(&Self) -> $old> = Some(|new| {
                let Work { company, title } = new.work.clone().unwrap_or(Work { company: None, title: None });
                let PersonName { full: name, given: given_name, family: family_name } = new.name.clone();
                let Self { contact_id, owner_id, emails, phones, notes, urls, $at, .. } = new.clone();
                Self::Old {
                    contact_id,
                    owner_id,
                    name,
                    given_name,
                    family_name,
                    emails,
                    phones,
                    company,
                    title,
                    notes,
                    urls,
                    $at,
                }
            });

            fn upcast(old: $old) -> Self {
                let work = match (old.company, old.title) {
                    (None, None) => None,
                    (company, title) => Some(Work { company, title }),
                };
                Self {
                    contact_id: old.contact_id,
                    owner_id: old.owner_id,
                    name: PersonName { full: old.name, given: old.given_name, family: old.family_name },
                    emails: old.emails,
                    phones: old.phones,
                    work,
                    notes: old.notes,
                    urls: old.urls,
                    $at: old.$at,
                }
            }
        }
    };
}

name_and_work_become_objects!(ContactAddedV2, ContactAdded, added_at);
name_and_work_become_objects!(ContactChangedV2, ContactChanged, changed_at);
