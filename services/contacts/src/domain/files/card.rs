//! A card: the details of one person in an address book, and the key that identifies it.

use super::MAX_EMAIL_BYTES;
use serde::{Deserialize, Serialize};

/// The details of one person in an address book. Texts are trimmed and free of control characters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// The identifier assigned by the exporting program.
    pub uid: Option<String>,
    /// The display name; never empty when it was read from a file.
    pub name: String,
    /// The given name.
    pub given_name: Option<String>,
    /// The family name.
    pub family_name: Option<String>,
    /// E-mail addresses, as normalised by [`normal_email`].
    pub emails: Vec<String>,
    /// Phone numbers as written.
    pub phones: Vec<String>,
    /// The company, without the department.
    pub company: Option<String>,
    /// The position in the company.
    pub title: Option<String>,
    /// Free text, possibly of many lines.
    pub notes: Option<String>,
    /// Web addresses, http or https or without a scheme.
    pub urls: Vec<String>,
    /// `YYYY-MM-DD`, `--MM-DD` without a year, `YYYY-MM` or `YYYY`.
    pub birthday: Option<String>,
    /// The day the connection was made (`YYYY-MM-DD`), from LinkedIn.
    pub known_since: Option<String>,
}

impl Card {
    /// The key that identifies the card, so that importing the same file again adds nothing.
    pub fn source_key(&self) -> String {
        if let Some(uid) = &self.uid {
            return format!("uid:{}", normal_uid(uid));
        }
        if let Some(profile) = self.urls.iter().find_map(|url| profile_of(url)) {
            return format!("url:{profile}");
        }
        if let Some(email) = self.emails.first() {
            return format!("email:{}", normal_email(email).unwrap_or_else(|| folded(email)));
        }
        if let Some(phone) = self.phones.first() {
            return format!("phone:{}", normal_phone(phone).unwrap_or_else(|| bare(phone)));
        }
        format!("name:{}|{}", folded(&self.name), folded(self.company.as_deref().unwrap_or_default()))
    }
}

/// An e-mail address normalised for comparison: trimmed, without `mailto:`, in lower case. `None` if it is not valid.
///
/// Letters of any script are valid on both sides of the `@`; comments, quoted names and bare hosts are not.
pub fn normal_email(text: &str) -> Option<String> {
    let text = text.trim();
    let address = match text.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("mailto:") => text[7..].split('?').next()?.trim(),
        _ => text,
    };
    let address = address.to_lowercase();
    let (local, domain) = address.rsplit_once('@')?;
    let fits = address.len() <= MAX_EMAIL_BYTES && local.len() <= 64;
    (fits && is_local_part(local) && is_domain(domain)).then_some(address)
}

/// A phone number as E.164, `+` and digits. `None` if it has no country code.
pub fn normal_phone(text: &str) -> Option<String> {
    let lower = text.trim().to_lowercase();
    let number = lower.strip_prefix("tel:").unwrap_or(&lower);
    let number = number.split([';', ',', '#', 'x']).next()?.trim_end_matches(['e', ' ']).replace("(0)", "");
    let national = number.strip_prefix('+').or_else(|| number.strip_prefix("00"))?;
    if !national
        .chars()
        .all(|letter| letter.is_ascii_digit() || " ().-/\u{a0}\u{2010}\u{2011}\u{2013}".contains(letter))
    {
        return None;
    }
    let digits: String = national.chars().filter(char::is_ascii_digit).collect();
    ((7..=15).contains(&digits.len()) && !digits.starts_with('0')).then(|| format!("+{digits}"))
}

fn is_local_part(local: &str) -> bool {
    local
        .split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(|letter| is_foreign(letter) || is_atom_letter(letter)))
}

fn is_domain(domain: &str) -> bool {
    let labels: Vec<&str> = domain.split('.').collect();
    let top_is_a_name = labels.last().is_some_and(|top| !top.bytes().all(|byte| byte.is_ascii_digit()));
    labels.len() > 1 && top_is_a_name && labels.iter().all(|label| is_label(label))
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.chars().count() <= 63
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(|letter| is_foreign(letter) || letter.is_ascii_alphanumeric() || letter == '-')
}

fn is_atom_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(letter)
}

/// Letters and marks beyond ASCII, but no invisible characters, which would make two addresses look alike.
fn is_foreign(letter: char) -> bool {
    let hidden = ['\u{200b}'..='\u{200f}', '\u{202a}'..='\u{202e}', '\u{2060}'..='\u{206f}', '\u{feff}'..='\u{ffff}'];
    let is_hidden = letter == '\u{ad}' || hidden.iter().any(|letters| letters.contains(&letter));
    !letter.is_ascii() && !letter.is_whitespace() && !letter.is_control() && !is_hidden
}

/// `linkedin.com/in/name` of a LinkedIn profile. Colleagues may share other pages, so those identify no one.
fn profile_of(url: &str) -> Option<String> {
    let url = url.trim().to_lowercase();
    let address = url.split_once("://").map_or(url.as_str(), |(_, address)| address);
    let (host, path) = address.split(['?', '#']).next()?.split_once('/')?;
    let mut steps = path.split('/').filter(|step| !step.is_empty());
    let (kind, name) = (steps.next()?, steps.next()?);
    let is_profile = (host == "linkedin.com" || host.ends_with(".linkedin.com")) && matches!(kind, "in" | "pub");
    is_profile.then(|| format!("linkedin.com/{kind}/{name}"))
}

/// A UUID may be written with `urn:uuid:` and in either case; other identifiers are compared exactly.
fn normal_uid(uid: &str) -> String {
    let uid = uid.trim();
    let bare = match uid.get(..9) {
        Some(scheme) if scheme.eq_ignore_ascii_case("urn:uuid:") => &uid[9..],
        _ => uid,
    };
    let is_uuid = bare.len() == 36 && bare.chars().all(|letter| letter.is_ascii_hexdigit() || letter == '-');
    if is_uuid { bare.to_lowercase() } else { bare.to_owned() }
}

fn folded(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn bare(phone: &str) -> String {
    phone.to_lowercase().chars().filter(|letter| letter.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_trimmed_and_lowercased() {
        assert_eq!(normal_email(" MailTo:Jane.Doe@Example.COM?subject=hi ").as_deref(), Some("jane.doe@example.com"));
        assert_eq!(normal_email("Jürgen@Bücher.example").as_deref(), Some("jürgen@bücher.example"));
        for bad in
            ["", "@", "jane", "jane@host", "a b@c.de", "jane@c.de, joe@c.de", "j\u{200b}@c.de", "jane@c.4", "mailto:"]
        {
            assert_eq!(normal_email(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_number_with_its_country_becomes_e164() {
        for (written, normal) in [
            ("+41 79 123 45 67", Some("+41791234567")),
            ("tel:+1-418-656-9254;ext=102", Some("+14186569254")),
            ("0049 (0)30 123456", Some("+4930123456")),
            ("+1 202 555 0191 ext. 5", Some("+12025550191")),
            ("+1 202 555 0191 x5", Some("+12025550191")),
            ("(757) 555-0101", None),
            ("+1-800-FLOWERS", None),
            ("+12", None),
            ("mainphone", None),
            ("", None),
        ] {
            assert_eq!(normal_phone(written).as_deref(), normal, "{written}");
        }
    }

    #[test]
    fn a_card_is_known_by_the_best_it_has() {
        let mut card = Card { name: "Jane  Doe".into(), company: Some("Acme".into()), ..Card::default() };
        assert_eq!(card.source_key(), "name:jane doe|acme");
        card.phones.push("(757) 555-0101".into());
        assert_eq!(card.source_key(), "phone:7575550101");
        card.emails.push("jane@acme.example".into());
        assert_eq!(card.source_key(), "email:jane@acme.example");
        card.urls.push("https://acme.example".into());
        assert_eq!(card.source_key(), "email:jane@acme.example");
        card.urls.push("https://de.LinkedIn.com/in/Jane-Doe/?trk=export".into());
        assert_eq!(card.source_key(), "url:linkedin.com/in/jane-doe");
        card.uid = Some("urn:uuid:477343C8-E6BF-375A-9BAC-1F96A5000837".into());
        assert_eq!(card.source_key(), "uid:477343c8-e6bf-375a-9bac-1f96a5000837");
        card.uid = Some("uJTkVqH5Qt".into());
        assert_eq!(card.source_key(), "uid:uJTkVqH5Qt");
    }
}
