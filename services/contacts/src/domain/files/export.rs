//! Writes a card as vCard 4.0 (RFC 6350), for import into any other address book.

use super::card::Card;
use super::draft::{many_lines, one_line};

/// Lines are folded after this many bytes, as RFC 6350 requires.
const LINE_BYTES: usize = 75;

/// One card as vCard 4.0, with the identifier and the time of its last change.
pub fn to_vcard(card: &Card, uid: &str, revised: &str) -> String {
    let mut text = String::from("BEGIN:VCARD\r\nVERSION:4.0\r\n");
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            fold(&mut text, &format!("{name}:{value}"));
        }
    };
    line("UID", &escaped(uid));
    line("REV", &one_line(revised));
    // RFC 6350 requires an FN in every card, even an empty one.
    line("FN", Some(escaped(&card.name)).filter(|name| !name.is_empty()).as_deref().unwrap_or(" "));
    if card.given_name.is_some() || card.family_name.is_some() {
        line("N", &format!("{};{};;;", optional(&card.family_name), optional(&card.given_name)));
    }
    for email in &card.emails {
        line("EMAIL", &escaped(email));
    }
    for phone in &card.phones {
        line("TEL", &escaped(phone));
    }
    line("ORG", &optional(&card.company));
    line("TITLE", &optional(&card.title));
    line("NOTE", &card.notes.as_deref().map(|notes| escape(&many_lines(notes))).unwrap_or_default());
    for url in &card.urls {
        line("URL", &one_line(url).replace('\\', "\\\\"));
    }
    // Version 4 allows only the short form of dates.
    let birthday = card.birthday.as_deref().map(short_date).unwrap_or_default();
    line("BDAY", &birthday);
    line("X-KNOWN-SINCE", &optional(&card.known_since));
    text.push_str("END:VCARD\r\n");
    text
}

fn optional(value: &Option<String>) -> String {
    value.as_deref().map(escaped).unwrap_or_default()
}

fn escaped(text: &str) -> String {
    escape(&one_line(text))
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace(';', "\\;").replace(',', "\\,")
}

fn short_date(iso: &str) -> String {
    match iso.strip_prefix("--") {
        Some(month_and_day) => format!("--{}", month_and_day.replace('-', "")),
        None if iso.len() == 10 => iso.replace('-', ""),
        None => iso.to_owned(),
    }
}

fn fold(text: &mut String, line: &str) {
    let mut width = 0;
    for letter in line.chars() {
        if width + letter.len_utf8() > LINE_BYTES {
            text.push_str("\r\n ");
            width = 1;
        }
        text.push(letter);
        width += letter.len_utf8();
    }
    text.push_str("\r\n");
}
