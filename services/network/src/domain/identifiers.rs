//! The identifiers of a person: e-mail addresses, phone numbers and profile addresses.
//!
//! They are stored only as keyed hashes, so a stolen database cannot be searched for addresses without the key. Names
//! are not identifiers: two people may share one.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use skeleton::Secret;
use uuid::Uuid;

/// Sites where an address with one more path segment is a person's profile. Other addresses may belong to a company.
const PROFILE_SITES: [(&str, &str); 3] = [("linkedin.com", "in"), ("xing.com", "profile"), ("github.com", "")];

/// The secret key that identifiers are hashed with.
pub struct Pepper(Vec<u8>);

/// The secret key is missing.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("pepper is empty: give it in identity.pepper_file, made by `openssl rand -hex 32`")]
pub struct PepperMissing;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentitySettings {
    #[serde(default)]
    pepper: Secret,
}

/// An identifier, hashed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 32]);

impl Pepper {
    /// A pepper from the settings section `identity`.
    ///
    /// # Errors
    /// If it is not set.
    pub fn from_settings(settings: IdentitySettings) -> Result<Self, PepperMissing> {
        Self::try_new(settings.pepper.reveal())
    }

    /// A pepper with this secret.
    ///
    /// # Errors
    /// If it is empty.
    pub fn try_new(secret: &str) -> Result<Self, PepperMissing> {
        if secret.is_empty() { Err(PepperMissing) } else { Ok(Self(secret.as_bytes().to_vec())) }
    }

    /// The identifiers of a contact without duplicates, e-mail addresses first. Values that identify no one are left
    /// out.
    pub fn keys(&self, emails: &[String], phones: &[String], urls: &[String]) -> Vec<Key> {
        let emails = emails.iter().map(|email| self.email(email));
        let phones = phones.iter().map(|phone| self.hash("phone", phone_number(phone)));
        let urls = urls.iter().map(|url| self.hash("profile", profile_address(url)));
        let mut keys = Vec::new();
        for key in emails.chain(phones).chain(urls).flatten() {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    /// An e-mail address. `None` if the text is not one.
    pub fn email(&self, text: &str) -> Option<Key> {
        self.hash("email", email_address(text))
    }

    fn hash(&self, kind: &str, identifier: Option<String>) -> Option<Key> {
        let identifier = identifier?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC accepts keys of any length");
        mac.update(format!("{kind}:{identifier}").as_bytes());
        Some(Key(mac.finalize().into_bytes().into()))
    }
}

impl Key {
    /// The id of the person that this identifier creates. The key cannot be derived from it.
    pub fn person_id(self) -> Uuid {
        let digest = Sha256::new().chain_update(b"person:").chain_update(self.0).finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({self})")
    }
}

fn email_address(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let (name, domain) = text.rsplit_once('@')?;
    (!name.is_empty() && !domain.is_empty() && !text.contains(char::is_whitespace)).then_some(text)
}

/// A number in its international form. Without a `+` the country is unknown, so it identifies no one.
fn phone_number(text: &str) -> Option<String> {
    let international = text.trim().strip_prefix('+')?.replace("(0)", "");
    let is_written_so = |c: char| c.is_ascii_digit() || c.is_whitespace() || "()-./".contains(c);
    let digits: String = international.chars().filter(char::is_ascii_digit).collect();
    let is_number = international.chars().all(is_written_so) && (7..=15).contains(&digits.len());
    is_number.then_some(digits)
}

fn profile_address(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let address = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(&text);
    let address = address.split(['?', '#']).next()?;
    let (host, path) = address.split_once('/')?;
    PROFILE_SITES.iter().find_map(|(site, folder)| {
        // Some sites have hosts per country: de.linkedin.com.
        let is_there = host == *site || host.strip_suffix(site).is_some_and(|before| before.ends_with('.'));
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match parts[..] {
            [name] if is_there && folder.is_empty() => Some(format!("{site}/{name}")),
            [first, name, ..] if is_there && first == *folder => Some(format!("{site}/{folder}/{name}")),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(emails: &[&str], phones: &[&str], urls: &[&str]) -> Vec<Key> {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Pepper::try_new("test").unwrap().keys(&texts(emails), &texts(phones), &texts(urls))
    }

    #[test]
    fn an_identifier_is_the_same_however_it_is_written() {
        assert_eq!(keys(&[" Zoe@Example.org"], &[], &[]), keys(&["zoe@example.org"], &[], &[]));
        assert_eq!(keys(&[], &["+49 (0)30 / 90-18.20"], &[]), keys(&[], &["+4930901820"], &[]));
        let profile = keys(&[], &[], &["https://www.linkedin.com/in/zoe/?trk=x"]);
        assert_eq!(profile, keys(&[], &[], &["de.linkedin.com/in/Zoe/de"]));
        assert_eq!(profile.len(), 1);
    }

    #[test]
    fn what_may_be_shared_or_incomplete_identifies_nobody() {
        assert_eq!(keys(&["zoe", "@", "a b@c"], &["030 901820", "+49", "+1 800 FLOWERS"], &[]), []);
        let urls =
            ["https://example.org/team", "https://linkedin.com/company/x", "https://github.com/x/y", "linkedin.com"];
        assert_eq!(keys(&[], &[], &urls), []);
        assert_eq!(keys(&[], &[], &["https://notlinkedin.com/in/zoe"]), []);
    }

    #[test]
    fn identifiers_keep_their_order_and_come_once() {
        let found = keys(&["b@x.org", "a@x.org", "B@x.org"], &["+4930901820"], &["github.com/zoe"]);

        assert_eq!(found.len(), 4);
        assert_eq!(found[..2], [keys(&["b@x.org"], &[], &[])[0], keys(&["a@x.org"], &[], &[])[0]]);
    }

    #[test]
    fn a_person_is_the_same_for_the_same_identifier_and_pepper_only() {
        let zoe = |pepper: &str| Pepper::try_new(pepper).unwrap().email("zoe@example.org").unwrap();

        assert_eq!(zoe("test").person_id(), zoe("test").person_id());
        assert_ne!(zoe("test").person_id(), zoe("another").person_id());
        assert!(Pepper::try_new("").is_err());
    }
}
