//! Made-up people with plausible names, firms and positions.

use super::{
    firms::{FIRMS, TITLES},
    names::{FAMILY, GIVEN},
};

/// A made-up person.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their number, which is part of their e-mail address.
    pub number: u64,
    /// Given name.
    pub given_name: &'static str,
    /// Family name.
    pub family_name: &'static str,
    /// Their firm.
    pub firm: &'static str,
    /// Their position.
    pub title: &'static str,
}

/// The person with this number; the result is deterministic.
pub fn plausible(number: u64) -> Person {
    // The steps have no common factor with the lists' lengths, so that neighbours differ in everything.
    let pick = |list: &[&'static str], step: u64| {
        let length = list.len() as u64;
        list[usize::try_from((number.wrapping_mul(step) + number / length) % length).unwrap_or(0)]
    };
    Person {
        number,
        given_name: pick(GIVEN, 7),
        family_name: pick(FAMILY, 13),
        firm: FIRMS[usize::try_from(number / 20 % FIRMS.len() as u64).unwrap_or(0)],
        title: pick(TITLES, 3),
    }
}

impl Person {
    /// The e-mail address they sign in with.
    pub fn email(&self) -> String {
        format!("n{}@demo.test", self.number)
    }

    /// Their full name.
    pub fn name(&self) -> String {
        format!("{} {}", self.given_name, self.family_name)
    }

    /// Their entry in another person's address book.
    pub fn vcard(&self) -> String {
        format!(
            "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:{}\r\nN:{};{};;;\r\nEMAIL:{}\r\nORG:{}\r\nTITLE:{}\r\nEND:VCARD\r\n",
            self.name(),
            self.family_name,
            self.given_name,
            self.email(),
            self.firm,
            self.title,
        )
    }
}
