//! People with plausible names, firms and positions. None of them is anybody.

use super::{
    firms::{FIRMS, TITLES},
    names::{FAMILY, GIVEN},
};

/// Somebody made up.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their number, which is also their address.
    pub number: u64,
    /// Given name.
    pub given_name: &'static str,
    /// Family name.
    pub family_name: &'static str,
    /// Where they work.
    pub firm: &'static str,
    /// What they do there.
    pub title: &'static str,
}

/// The person of a number: always the same one.
pub fn plausible(number: u64) -> Person {
    // Steps without a common factor with the lists' lengths, so that neighbours differ in everything.
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
    /// Where they sign in.
    pub fn email(&self) -> String {
        format!("n{}@demo.test", self.number)
    }

    /// Their full name.
    pub fn name(&self) -> String {
        format!("{} {}", self.given_name, self.family_name)
    }

    /// How somebody else's address book has them.
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
