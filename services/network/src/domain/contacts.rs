//! Decides which person a contact is.
//!
//! Owners write what they like into their address books, so that must never change another person's identity. A contact
//! is linked to an existing person or creates one, but never merges two persons.

use uuid::Uuid;

use super::{Key, Newness};

/// A contact in its present state.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    /// The contact.
    pub contact_id: Uuid,
    /// The account whose address book it is in.
    pub owner_id: Uuid,
    /// The name its owner gave it.
    pub name: String,
    /// Its identifiers, the main one first.
    pub keys: Vec<Key>,
    /// The version of this state.
    pub newness: Newness,
}

/// The owner of an address book.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Owner {
    /// No event of the account has been handled yet.
    Unknown,
    /// The account was erased.
    Erased,
    /// A member, with their person.
    Member(Uuid),
}

/// The person that an identifier belongs to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KnownPerson {
    /// The identifier.
    pub key: Key,
    /// The person.
    pub person_id: Uuid,
    /// The person's account.
    pub member_id: Option<Uuid>,
}

/// What is known about a card.
#[derive(Clone, Debug, PartialEq)]
pub struct Situation {
    /// The owner of the card.
    pub owner: Owner,
    /// The sequence of the newest change of the contact that was handled.
    pub sequence: Option<i64>,
    /// The person it is linked to.
    pub linked: Option<Uuid>,
    /// The persons that its identifiers belong to.
    pub known: Vec<KnownPerson>,
}

/// Where a card belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// The owner's person.
    pub owner: Uuid,
    /// The person it is.
    pub person: Uuid,
    /// The account of that person.
    pub member_id: Option<Uuid>,
    /// The identifier by which the person was found or created, if any.
    pub known_by: Option<Key>,
    /// Whether this person is new for the contact.
    pub is_link: bool,
    /// Whether the contact was linked to another person before.
    pub leaves: bool,
}

/// The account of a contact's owner is not known.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("the account of the address book is not known yet")]
pub struct OwnerUnknown;

impl Situation {
    /// Finds the person of a card. `None` if the card is outdated, or its owner is erased.
    ///
    /// # Errors
    /// If the owner is not known yet: accounts arrive in other events, perhaps later.
    pub fn place(&self, card: &Card) -> Result<Option<Placement>, OwnerUnknown> {
        let Some(owner) = self.taken_in_by(card.newness)? else { return Ok(None) };
        let (person, member_id, known_by) = self.person_of(card);
        let is_link = self.linked != Some(person);
        let leaves = is_link && self.linked.is_some();
        Ok(Some(Placement { owner, person, member_id, known_by, is_link, leaves }))
    }

    /// Whether an event of the contact was handled before.
    pub fn is_change(&self) -> bool {
        self.sequence.is_some()
    }

    /// The owner, if a change of this version applies.
    ///
    /// # Errors
    /// If the owner is not known.
    pub fn taken_in_by(&self, newness: Newness) -> Result<Option<Uuid>, OwnerUnknown> {
        match self.owner {
            Owner::Unknown => Err(OwnerUnknown),
            Owner::Erased => Ok(None),
            Owner::Member(_) if self.sequence.is_some_and(|newest| newest >= newness.outdone_by()) => Ok(None),
            Owner::Member(owner) => Ok(Some(owner)),
        }
    }

    /// The first identifier of a member decides, otherwise the first of any person; otherwise a new person is created.
    fn person_of(&self, card: &Card) -> (Uuid, Option<Uuid>, Option<Key>) {
        let known = || card.keys.iter().filter_map(|key| self.known.iter().find(|known| known.key == *key));
        if let Some(known) = known().find(|known| known.member_id.is_some()).or_else(|| known().next()) {
            return (known.person_id, known.member_id, Some(known.key));
        }
        match card.keys.first() {
            Some(key) => (key.person_id(), None, Some(*key)),
            None => (Uuid::new_v5(&card.contact_id, b"person"), None, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Pepper;

    const ME: Uuid = Uuid::from_u128(1);

    fn key(email: &str) -> Key {
        Pepper::try_new("test").unwrap().email(email).unwrap()
    }

    fn card(keys: &[Key]) -> Card {
        let (contact_id, owner_id) = (Uuid::from_u128(2), Uuid::from_u128(3));
        Card { contact_id, owner_id, name: "Zoë".to_owned(), keys: keys.to_vec(), newness: Newness::event(5) }
    }

    fn known(key: Key, person: u128, member: Option<u128>) -> KnownPerson {
        KnownPerson { key, person_id: Uuid::from_u128(person), member_id: member.map(Uuid::from_u128) }
    }

    fn situation(known: &[KnownPerson]) -> Situation {
        Situation { owner: Owner::Member(ME), sequence: None, linked: None, known: known.to_vec() }
    }

    #[test]
    fn a_contact_nobody_knows_makes_a_person_of_its_first_identifier() {
        let (first, second) = (key("a@x.org"), key("b@x.org"));

        let placement = situation(&[]).place(&card(&[first, second])).unwrap().unwrap();

        assert_eq!((placement.person, placement.known_by), (first.person_id(), Some(first)));
        assert!(placement.is_link && !placement.leaves);
    }

    #[test]
    fn a_member_comes_before_the_first_person_and_that_before_a_new_one() {
        let keys = [key("a@x.org"), key("b@x.org"), key("c@x.org")];
        let stranger = known(keys[1], 10, None);
        let member = known(keys[2], 11, Some(12));

        let with_member = situation(&[member, stranger]).place(&card(&keys)).unwrap().unwrap();
        let without = situation(&[stranger]).place(&card(&keys)).unwrap().unwrap();

        assert_eq!((with_member.person, with_member.member_id), (Uuid::from_u128(11), Some(Uuid::from_u128(12))));
        assert_eq!((without.person, without.known_by), (Uuid::from_u128(10), Some(keys[1])));
    }

    #[test]
    fn a_contact_without_identifiers_is_a_person_of_its_own() {
        let placement = situation(&[]).place(&card(&[])).unwrap().unwrap();

        assert_eq!(placement.known_by, None);
        assert_ne!(placement.person, Uuid::from_u128(2));
    }

    #[test]
    fn an_old_card_changes_nothing() {
        let at = |sequence| Situation { sequence: Some(sequence), ..situation(&[]) }.place(&card(&[])).unwrap();

        assert_eq!((at(5), at(6)), (None, None));
        assert!(at(4).is_some());
    }

    #[test]
    fn a_snapshot_goes_over_the_event_it_came_of_and_over_nothing_newer() {
        let snapshot = Card { newness: Newness::snapshot(5), ..card(&[]) };
        let at = |sequence| Situation { sequence: Some(sequence), ..situation(&[]) }.place(&snapshot).unwrap();

        assert!(at(5).is_some());
        assert_eq!(at(6), None);
    }

    #[test]
    fn a_card_waits_for_its_owner_and_goes_with_them() {
        let of = |owner| Situation { owner, ..situation(&[]) }.place(&card(&[]));

        assert_eq!(of(Owner::Unknown), Err(OwnerUnknown));
        assert_eq!(of(Owner::Erased), Ok(None));
    }

    #[test]
    fn a_contact_stays_or_moves_with_its_identifiers() {
        let old = key("a@x.org");
        let linked = Situation { linked: Some(old.person_id()), ..situation(&[known(old, 0, None)]) };
        let linked = Situation { known: vec![KnownPerson { person_id: old.person_id(), ..linked.known[0] }], ..linked };

        let stays = linked.place(&card(&[old])).unwrap().unwrap();
        let moves = linked.place(&card(&[key("new@x.org")])).unwrap().unwrap();

        assert_eq!((stays.is_link, stays.leaves), (false, false));
        assert_eq!((moves.is_link, moves.leaves), (true, true));
    }
}
