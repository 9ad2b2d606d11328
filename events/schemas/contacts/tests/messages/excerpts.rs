//! A consumer's contract has the fields that its type reads.

use contacts_events::{ContactAddedV2, ContactChangedV2};

events::excerpt! {
    /// The name of a contact.
    struct Called { contact_id: uuid::Uuid, name: Name }
    /// A name.
    struct Name { full: String }
    /// A contact that was added.
    struct Added(Called) of ContactAddedV2;
    /// A contact that was changed.
    struct Changed(Called) of ContactChangedV2;
}

#[test]
fn the_fields_that_an_excerpt_reads_are_known() {
    assert_eq!(events::fields_read::<Added>(), ["/contact_id", "/name", "/name/full"]);
    assert_eq!(events::fields_read::<Changed>(), ["/contact_id", "/name", "/name/full"]);
}
