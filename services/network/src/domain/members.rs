//! Decides which person an account is.
//!
//! Only an account claims an identifier: its own e-mail address. It takes over the person that had it. That person
//! keeps its id, so that all contacts of it and ties with it remain.

use uuid::Uuid;

use super::{Key, KnownPerson, Newness};

/// An account in its present state.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The account.
    pub account_id: Uuid,
    /// Its e-mail address.
    pub key: Key,
    /// The owner's display name.
    pub name: String,
    /// Whether other members may search for its owner by e-mail address.
    pub discoverable: bool,
    /// Whether its owner may be named as an intermediary.
    pub nameable: bool,
    /// The version of this state.
    pub newness: Newness,
}

/// What is known about an account.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Whether the account was erased.
    pub is_erased: bool,
    /// The person the account is.
    pub person: Option<Uuid>,
    /// The sequence of the newest change of the account that was handled.
    pub sequence: Option<i64>,
    /// The person that its e-mail address belongs to.
    pub holder: Option<KnownPerson>,
}

/// The e-mail address belongs to another member.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("the address still belongs to another account, whose erasure has not been handled yet")]
pub struct KeyTaken;

/// A change of an unknown account.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("the account is not known yet")]
pub struct MemberUnknown;

impl Standing {
    /// The person that the account becomes. `None` if the account is erased, or this state is outdated.
    ///
    /// # Errors
    /// If another account has the e-mail address.
    pub fn enrol(&self, profile: &Profile) -> Result<Option<Uuid>, KeyTaken> {
        if self.is_erased || self.sequence.is_some_and(|newest| newest >= profile.newness.outdone_by()) {
            return Ok(None);
        }
        if self.holder.and_then(|holder| holder.member_id).is_some_and(|member| member != profile.account_id) {
            return Err(KeyTaken);
        }
        let holder = self.holder.map(|holder| holder.person_id);
        Ok(self.person.or(holder).or(Some(profile.key.person_id())))
    }

    /// Whether no event of the account was handled before.
    pub fn is_new(&self) -> bool {
        self.person.is_none()
    }

    /// Checks that the account is known, so that a change of it can be applied.
    ///
    /// # Errors
    /// If the account is not known.
    pub fn must_be_known(&self) -> Result<(), MemberUnknown> {
        if self.is_erased || self.person.is_some() { Ok(()) } else { Err(MemberUnknown) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Pepper;

    fn profile() -> Profile {
        let key = Pepper::try_new("test").unwrap().email("ada@example.org").unwrap();
        let name = "Ada".to_owned();
        Profile {
            account_id: Uuid::from_u128(1),
            key,
            name,
            discoverable: false,
            nameable: false,
            newness: Newness::event(2),
        }
    }

    fn stranger() -> Standing {
        Standing { is_erased: false, person: None, sequence: None, holder: None }
    }

    fn held_by(person: u128, member: Option<u128>) -> Standing {
        let (person_id, member_id) = (Uuid::from_u128(person), member.map(Uuid::from_u128));
        Standing { holder: Some(KnownPerson { key: profile().key, person_id, member_id }), ..stranger() }
    }

    #[test]
    fn an_account_takes_over_the_person_with_its_address() {
        assert_eq!(held_by(7, None).enrol(&profile()), Ok(Some(Uuid::from_u128(7))));
        assert_eq!(stranger().enrol(&profile()), Ok(Some(profile().key.person_id())));
    }

    #[test]
    fn an_account_keeps_its_person() {
        let known = Standing { person: Some(Uuid::from_u128(9)), sequence: Some(1), ..held_by(7, None) };

        assert_eq!(known.enrol(&profile()), Ok(Some(Uuid::from_u128(9))));
    }

    #[test]
    fn an_address_is_not_taken_from_another_account() {
        assert_eq!(held_by(7, Some(8)).enrol(&profile()), Err(KeyTaken));
    }

    #[test]
    fn what_is_old_or_erased_changes_nothing() {
        assert_eq!(Standing { sequence: Some(2), ..stranger() }.enrol(&profile()), Ok(None));
        assert_eq!(Standing { is_erased: true, ..stranger() }.enrol(&profile()), Ok(None));
    }

    #[test]
    fn a_change_waits_for_its_account() {
        assert_eq!(stranger().must_be_known(), Err(MemberUnknown));
        assert_eq!(Standing { is_erased: true, ..stranger() }.must_be_known(), Ok(()));
    }
}
