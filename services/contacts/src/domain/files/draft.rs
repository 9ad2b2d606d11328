//! A card under construction: keeps a file's valid values and reports the others as problems.

use super::card::{Card, normal_email};
use super::{
    Entry, MAX_FILE_REMARKS, MAX_NAME_CHARS, MAX_NOTES_CHARS, MAX_PHONE_CHARS, MAX_REMARKS, MAX_URL_CHARS, MAX_VALUES,
    Problem, dates,
};

/// The problems of a file. The number of remarks per record and per file is limited, so that a broken file's list stays
/// readable.
#[derive(Default)]
pub(super) struct Findings {
    pub problems: Vec<Problem>,
    in_record: usize,
    in_file: usize,
}

impl Findings {
    /// Begins a new record, which resets its limit of remarks.
    pub fn next_record(&mut self) {
        self.in_record = 0;
    }

    /// Reports a problem with a value of the record.
    pub fn remark(&mut self, line: u32, reason: &str) {
        self.in_record += 1;
        if self.in_file > MAX_FILE_REMARKS || self.in_record > MAX_REMARKS + 1 {
            return;
        }
        self.in_file += 1;
        if self.in_file > MAX_FILE_REMARKS {
            self.lost(line, "this file has more problems like these that are not listed");
        } else if self.in_record > MAX_REMARKS {
            self.lost(line, "this record has more problems like these that are not listed");
        } else {
            self.lost(line, reason);
        }
    }

    /// Reports a problem with the record as a whole; always listed.
    pub fn lost(&mut self, line: u32, reason: &str) {
        self.problems.push(Problem { line, reason: reason.to_owned() });
    }
}

/// A card under construction.
pub(super) struct Draft {
    line: u32,
    card: Card,
    middle_name: Option<String>,
    nickname: Option<String>,
    notes: Vec<String>,
}

impl Draft {
    /// A card that begins at the line.
    pub fn new(line: u32) -> Self {
        Self { line, card: Card::default(), middle_name: None, nickname: None, notes: Vec::new() }
    }

    /// The line where the card begins.
    pub fn line(&self) -> u32 {
        self.line
    }

    pub fn name(&mut self, text: &str, line: u32, findings: &mut Findings) {
        if self.card.name.is_empty() {
            self.card.name = short(text, line, findings).unwrap_or_default();
        }
    }

    pub fn given_name(&mut self, text: &str, line: u32, findings: &mut Findings) {
        keep_first(&mut self.card.given_name, text, line, findings);
    }

    pub fn middle_name(&mut self, text: &str, line: u32, findings: &mut Findings) {
        keep_first(&mut self.middle_name, text, line, findings);
    }

    pub fn family_name(&mut self, text: &str, line: u32, findings: &mut Findings) {
        keep_first(&mut self.card.family_name, text, line, findings);
    }

    pub fn nickname(&mut self, text: &str, line: u32, findings: &mut Findings) {
        keep_first(&mut self.nickname, text, line, findings);
    }

    pub fn company(&mut self, text: &str, line: u32, findings: &mut Findings) {
        keep_first(&mut self.card.company, text, line, findings);
    }

    pub fn title(&mut self, text: &str, line: u32, findings: &mut Findings) {
        keep_first(&mut self.card.title, text, line, findings);
    }

    /// Appends to the notes; a card may have several.
    pub fn note(&mut self, text: &str) {
        let text = many_lines(text);
        if !text.is_empty() {
            self.notes.push(text);
        }
    }

    pub fn uid(&mut self, text: &str, line: u32, findings: &mut Findings) {
        let text = one_line(text);
        if text.chars().count() > MAX_URL_CHARS {
            findings.remark(line, "the identifier is too long and was left out");
        } else if !text.is_empty() && self.card.uid.is_none() {
            self.card.uid = Some(text);
        }
    }

    /// One or more addresses; Google joins several with ` ::: `, people with `;` or `,`.
    pub fn emails(&mut self, text: &str, line: u32, findings: &mut Findings) {
        for part in joined(text) {
            for address in addresses_in(part) {
                match address {
                    Some(address) => keep_another(&mut self.card.emails, address, line, findings),
                    None => findings.remark(line, "an e-mail address is not valid and was left out: correct it"),
                }
            }
        }
    }

    pub fn phones(&mut self, text: &str, line: u32, findings: &mut Findings) {
        for part in joined(text) {
            let number = match part.get(..4) {
                Some(scheme) if scheme.eq_ignore_ascii_case("tel:") => part[4..].replace(";ext=", " ext. "),
                _ => part.to_owned(),
            };
            let number = one_line(&number);
            if number.chars().count() > MAX_PHONE_CHARS {
                findings.remark(line, "a phone number is too long and was left out: correct it");
            } else if !number.is_empty() {
                keep_another(&mut self.card.phones, number, line, findings);
            }
        }
    }

    pub fn urls(&mut self, text: &str, line: u32, findings: &mut Findings) {
        for part in joined(text) {
            if is_web_address(part) {
                keep_another(&mut self.card.urls, part.to_owned(), line, findings);
            } else {
                findings.remark(line, "a web address is not valid and was left out: correct it");
            }
        }
    }

    pub fn birthday(&mut self, text: &str, line: u32, findings: &mut Findings) {
        if self.card.birthday.is_some() || dates::is_unset(text) {
            return;
        }
        self.card.birthday = dates::birthday(text);
        if self.card.birthday.is_none() {
            findings.remark(line, "the birthday is not clear and was left out: write it as YYYY-MM-DD");
        }
    }

    pub fn known_since(&mut self, text: &str, line: u32, findings: &mut Findings) {
        self.card.known_since = dates::known_since(text);
        if self.card.known_since.is_none() {
            findings.remark(line, "the day of the connection is not clear and was left out: write it as YYYY-MM-DD");
        }
    }

    /// The entry, named by the best value it has. `None`, with a problem, if no value identifies the person.
    pub fn finish(mut self, findings: &mut Findings) -> Option<Entry> {
        let Some(name) = self.best_name() else {
            findings.lost(
                self.line,
                "nothing here identifies the person: add a name, e-mail address, phone number or company",
            );
            return None;
        };
        self.card.name = name;
        self.card.notes = self.joined_notes(findings);
        if self.has_unreadable_letters() {
            findings
                .remark(self.line, "some letters could not be read and appear as \u{fffd}: export the file as UTF-8");
        }
        Some(Entry { line: self.line, card: self.card })
    }

    fn best_name(&self) -> Option<String> {
        let card = &self.card;
        let parts = [&card.given_name, &self.middle_name, &card.family_name];
        let full = parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ");
        let one_of = [Some(&card.name), Some(&full), self.nickname.as_ref(), card.company.as_ref()];
        let values = [card.emails.first(), card.phones.first(), card.urls.first()];
        let best = one_of.into_iter().chain(values).flatten().find(|name| !name.is_empty())?;
        Some(best.chars().take(MAX_NAME_CHARS).collect())
    }

    fn joined_notes(&self, findings: &mut Findings) -> Option<String> {
        let notes = self.notes.join("\n");
        if notes.is_empty() {
            return None;
        }
        if let Some((end, _)) = notes.char_indices().nth(MAX_NOTES_CHARS) {
            findings.remark(
                self.line,
                &format!("the notes are longer than {MAX_NOTES_CHARS} characters and were truncated"),
            );
            return Some(notes[..end].trim_end().to_owned());
        }
        Some(notes)
    }

    fn has_unreadable_letters(&self) -> bool {
        let card = &self.card;
        let texts = [Some(&card.name), card.company.as_ref(), card.title.as_ref(), card.notes.as_ref()];
        texts.into_iter().flatten().any(|text| text.contains(char::REPLACEMENT_CHARACTER))
    }
}

fn keep_first(slot: &mut Option<String>, text: &str, line: u32, findings: &mut Findings) {
    if slot.is_none() {
        *slot = short(text, line, findings);
    }
}

fn keep_another(values: &mut Vec<String>, value: String, line: u32, findings: &mut Findings) {
    if values.contains(&value) {
        return;
    }
    if values.len() < MAX_VALUES {
        values.push(value);
    } else {
        findings.remark(line, &format!("a card can have {MAX_VALUES} values of a kind: this one was left out"));
    }
}

fn short(text: &str, line: u32, findings: &mut Findings) -> Option<String> {
    let text = one_line(text);
    if let Some((end, _)) = text.char_indices().nth(MAX_NAME_CHARS) {
        findings.remark(line, &format!("a text is longer than {MAX_NAME_CHARS} characters and was truncated"));
        return Some(text[..end].trim_end().to_owned());
    }
    (!text.is_empty()).then_some(text)
}

fn joined(text: &str) -> impl Iterator<Item = &str> {
    text.split(":::").map(str::trim).filter(|part| !part.is_empty())
}

/// `jane@acme.example`, `Jane <jane@acme.example>`, or several of them; `None` for each that is not valid.
fn addresses_in(text: &str) -> Vec<Option<String>> {
    let whole = address_in(text);
    if whole.is_some() || !text.contains([';', ',']) {
        return vec![whole];
    }
    text.split([';', ',']).filter(|part| !part.trim().is_empty()).map(|part| address_in(part.trim())).collect()
}

fn address_in(text: &str) -> Option<String> {
    let inner = text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<'));
    normal_email(inner.map_or(text, |(_, address)| address))
}

/// Only http and https: a web page shows these as links, and `javascript:` must never become one.
fn is_web_address(text: &str) -> bool {
    let lower = text.to_lowercase();
    let plain = !text.contains(|letter: char| letter.is_whitespace() || letter.is_control());
    let web = match lower.split_once(':') {
        Some(("http" | "https", rest)) => rest.starts_with("//"),
        Some((host, port)) => host.contains(['.', '/']) && port.starts_with(|letter: char| letter.is_ascii_digit()),
        None => true,
    };
    plain && web && text.chars().count() <= MAX_URL_CHARS
}

/// Trimmed, on one line, without control characters.
pub(super) fn one_line(text: &str) -> String {
    let parts = text.split(['\n', '\r', '\t']).map(without_controls);
    parts.map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Trimmed, with `\n` as the only line break, without other control characters.
pub(super) fn many_lines(text: &str) -> String {
    without_controls(&text.replace("\r\n", "\n").replace('\r', "\n")).trim().to_owned()
}

fn without_controls(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_ascii_control() || matches!(letter, '\n' | '\t')).collect()
}
