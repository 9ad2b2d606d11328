//! Reads vCards of any version, leniently: each card that begins is accounted for.
//!
//! A card with an unreadable value is kept without it; a card without an end is kept up to where it stops.

use super::charset;
use super::draft::{Draft, Findings};
use super::{Contents, Entry, FileRefusal, Format, MAX_RECORDS, line_break};
use std::borrow::Cow;
use std::iter::Peekable;

/// Reads all cards of a file.
pub(super) fn read(bytes: &[u8]) -> Result<Contents, FileRefusal> {
    let end = line_break(bytes);
    let mut lines = (1..).zip(bytes.split(|byte| *byte == end).map(without_returns)).peekable();
    let mut reader = Reader::default();
    while let Some((number, line)) = next_line(&mut lines) {
        reader.line(number, &line)?;
    }
    reader.close();
    let Reader { entries, findings, .. } = reader;
    Ok(Contents { format: Format::VCard, entries, problems: findings.problems, skipped_blank: 0 })
}

/// Whether the line is `BEGIN:VCARD` or `END:VCARD`, in any case.
pub(super) fn is_marker(line: &[u8], word: &str) -> bool {
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line).trim_ascii();
    let Some(rest) = line.get(word.len()..) else { return false };
    line[..word.len()].eq_ignore_ascii_case(word.as_bytes())
        && rest
            .trim_ascii_start()
            .strip_prefix(b":")
            .is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(b"VCARD"))
}

/// An unfolded line, with the number of its first physical line.
///
/// Lines are unfolded as bytes, because programs fold inside letters. A soft line break of quoted-printable ends with
/// `=`, and the next line has no leading space.
fn next_line<'a>(lines: &mut Peekable<impl Iterator<Item = (u32, &'a [u8])>>) -> Option<(u32, Cow<'a, [u8]>)> {
    let (number, first) = lines.next()?;
    let mut line = Cow::Borrowed(first);
    // Nothing is ever folded onto these; otherwise a stray space would hide where a card begins.
    if is_marker(first, "BEGIN") || is_marker(first, "END") {
        return Some((number, line));
    }
    let quoted = first.ends_with(b"=") && Property::parse(first).is_some_and(|property| property.quoted);
    while let Some((_, next)) = lines.peek() {
        if quoted && line.ends_with(b"=") && !is_marker(next, "BEGIN") && !is_marker(next, "END") {
            line.to_mut().pop();
            line.to_mut().extend_from_slice(next);
        } else if let [b' ' | b'\t', rest @ ..] = next {
            line.to_mut().extend_from_slice(rest);
        } else {
            break;
        }
        lines.next();
    }
    Some((number, line))
}

fn without_returns(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
    &line[..end]
}

#[derive(Default)]
struct Reader {
    entries: Vec<Entry>,
    findings: Findings,
    open: Option<OpenCard>,
    outside: bool,
    records: usize,
}

struct OpenCard {
    draft: Draft,
    /// The number of open cards nested in this one (agents).
    agents: usize,
    /// Whether the previous line was an empty `AGENT:`, which a nested card follows.
    after_agent: bool,
    /// Whether the previous line had base64, which some programs continue unfolded.
    after_base64: bool,
    told_of_stray_line: bool,
    is_group: bool,
}

impl Reader {
    fn line(&mut self, number: u32, line: &[u8]) -> Result<(), FileRefusal> {
        if is_marker(line, "BEGIN") {
            return self.begin(number);
        }
        if is_marker(line, "END") && self.open.is_some() {
            self.end();
        } else if !line.trim_ascii().is_empty() {
            match &mut self.open {
                Some(card) => card.line(number, line, &mut self.findings),
                None => self.stray(number, is_marker(line, "END"))?,
            }
        }
        Ok(())
    }

    fn begin(&mut self, number: u32) -> Result<(), FileRefusal> {
        self.count()?;
        if let Some(card) = self.open.as_mut().filter(|card| card.after_agent) {
            card.agents += 1;
            card.after_agent = false;
            self.findings.lost(number, "a card nested in another one (AGENT) was left out: export it on its own");
            return Ok(());
        }
        self.close();
        self.findings.next_record();
        self.outside = false;
        self.open = Some(OpenCard::new(number));
        Ok(())
    }

    fn end(&mut self) {
        match self.open.take() {
            Some(mut card) if card.agents > 0 => {
                card.agents -= 1;
                self.open = Some(card);
            }
            Some(card) => self.keep(card),
            None => {}
        }
    }

    /// Ends a card that has no end marker.
    fn close(&mut self) {
        if let Some(card) = self.open.take() {
            self.findings.lost(card.draft.line(), "this card has no END:VCARD: check that it is complete");
            self.keep(card);
        }
    }

    fn keep(&mut self, card: OpenCard) {
        if card.is_group {
            self.findings.lost(card.draft.line(), "this card is a group, not a person, and was left out");
        } else {
            self.entries.extend(card.draft.finish(&mut self.findings));
        }
    }

    /// Lines outside of any card are reported once, at the first of them.
    fn stray(&mut self, number: u32, ends_here: bool) -> Result<(), FileRefusal> {
        if !self.outside {
            self.count()?;
            self.findings.lost(number, "these lines do not belong to a card: a card starts with BEGIN:VCARD");
        }
        self.outside = !ends_here;
        Ok(())
    }

    fn count(&mut self) -> Result<(), FileRefusal> {
        self.records += 1;
        if self.records > MAX_RECORDS { Err(FileRefusal::TooManyRecords) } else { Ok(()) }
    }
}

impl OpenCard {
    fn new(number: u32) -> Self {
        Self {
            draft: Draft::new(number),
            agents: 0,
            after_agent: false,
            after_base64: false,
            told_of_stray_line: false,
            is_group: false,
        }
    }

    fn line(&mut self, number: u32, line: &[u8], findings: &mut Findings) {
        let Some(property) = Property::parse(line) else {
            if self.agents == 0 && !self.after_base64 && !self.told_of_stray_line {
                findings.remark(number, "a line without a colon was left out: check the card's line breaks");
                self.told_of_stray_line = true;
            }
            return;
        };
        self.after_agent = property.name == "AGENT" && property.value.trim_ascii().is_empty();
        self.after_base64 = property.base64;
        if self.agents == 0 {
            self.take(&property, number, findings);
        }
    }

    fn take(&mut self, property: &Property, line: u32, findings: &mut Findings) {
        let draft = &mut self.draft;
        match property.name.as_str() {
            "PHOTO" | "LOGO" | "SOUND" | "KEY" => {}
            name if property.base64 && !name.starts_with("X-") => {
                findings.remark(line, "a text in base64 was left out: export the card as vCard 3.0 or 4.0");
            }
            "FN" => draft.name(&property.text(), line, findings),
            "N" => {
                let mut parts = property.parts(3).into_iter();
                draft.family_name(&parts.next().unwrap_or_default(), line, findings);
                draft.given_name(&parts.next().unwrap_or_default(), line, findings);
                draft.middle_name(&parts.next().unwrap_or_default(), line, findings);
            }
            "NICKNAME" => draft.nickname(&property.text(), line, findings),
            "EMAIL" => draft.emails(&property.text(), line, findings),
            "TEL" => draft.phones(&property.text(), line, findings),
            "ORG" => draft.company(&property.parts(1).into_iter().next().unwrap_or_default(), line, findings),
            "TITLE" => draft.title(&property.text(), line, findings),
            "NOTE" => draft.note(&property.text()),
            "URL" => draft.urls(&property.text(), line, findings),
            "SOCIALPROFILE" | "X-SOCIALPROFILE" => {
                // Only some of these are web pages; `x-apple:name` and the like are not an error of the file.
                let profile = property.text();
                if profile.trim_start().to_lowercase().starts_with("http") {
                    draft.urls(&profile, line, findings);
                }
            }
            "BDAY" => draft.birthday(&property.text(), line, findings),
            "UID" => draft.uid(&property.text(), line, findings),
            "X-KNOWN-SINCE" => draft.known_since(&property.text(), line, findings),
            "KIND" | "X-ADDRESSBOOKSERVER-KIND" => {
                self.is_group = property.text().trim().eq_ignore_ascii_case("group");
            }
            _ => {}
        }
    }
}

/// A property: its name in capitals without group, and its encoded value.
struct Property<'a> {
    name: String,
    value: &'a [u8],
    charset: Option<String>,
    quoted: bool,
    base64: bool,
}

impl<'a> Property<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let colon = end_of_header(line)?;
        let header = String::from_utf8_lossy(&line[..colon]);
        let mut in_quotes = false;
        let mut fields = header.split(|letter| {
            in_quotes ^= letter == '"';
            letter == ';' && !in_quotes
        });
        let name = fields.next()?.rsplit('.').next()?.trim().to_ascii_uppercase();
        let mut property = Self { name, value: &line[colon + 1..], charset: None, quoted: false, base64: false };
        for field in fields {
            let (key, value) = field.split_once('=').unwrap_or(("", field));
            let value = value.trim().trim_matches('"');
            match key.trim().to_ascii_uppercase().as_str() {
                "CHARSET" => property.charset = Some(value.to_owned()),
                // Version 2.1 allows the bare word.
                "ENCODING" | "" => {
                    property.quoted |= value.eq_ignore_ascii_case("QUOTED-PRINTABLE");
                    property.base64 |= value.eq_ignore_ascii_case("BASE64") || field.eq_ignore_ascii_case("ENCODING=B");
                }
                _ => {}
            }
        }
        Some(property)
    }

    /// The whole value as text.
    fn text(&self) -> String {
        self.decode(&unescaped(&self.raw()))
    }

    /// The first components of a structured value, separated by semicolons. There may be millions.
    fn parts(&self, most: usize) -> Vec<String> {
        let raw = self.raw();
        let mut escaped = false;
        let parts = raw.split(|byte| {
            let parts_here = *byte == b';' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            parts_here
        });
        parts.take(most).map(|part| self.decode(&unescaped(part))).collect()
    }

    /// UTF-8, in which escapes can be found safely; quoted-printable is ASCII and keeps its own bytes until it is
    /// decoded.
    fn raw(&self) -> Cow<'a, [u8]> {
        if self.quoted {
            return Cow::Borrowed(self.value);
        }
        Cow::Owned(charset::text(self.value, self.charset.as_deref()).into_bytes())
    }

    fn decode(&self, bytes: &[u8]) -> String {
        if self.quoted {
            return charset::text(&from_quoted_printable(bytes), self.charset.as_deref());
        }
        String::from_utf8_lossy(bytes).into_owned()
    }
}

/// The colon that ends the name and parameters; quoted parameters may contain other colons.
fn end_of_header(line: &[u8]) -> Option<usize> {
    let mut in_quotes = false;
    let quoted_aware = line.iter().position(|byte| {
        in_quotes ^= *byte == b'"';
        *byte == b':' && !in_quotes
    });
    quoted_aware.or_else(|| line.iter().position(|byte| *byte == b':'))
}

fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            text.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'n' | b'N') => text.push(b'\n'),
            Some(mark @ (b'\\' | b';' | b',' | b':' | b'"')) => text.push(mark),
            Some(other) => text.extend([byte, other]),
            None => text.push(byte),
        }
    }
    text
}

fn from_quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [byte, after @ ..] = rest {
        match (byte, after) {
            (b'=', [high, low, others @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                text.push(hex(*high) << 4 | hex(*low));
                rest = others;
            }
            _ => {
                text.push(*byte);
                rest = after;
            }
        }
    }
    text
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}
