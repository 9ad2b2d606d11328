//! Detects the kind of a contacts file.

use super::columns::{Column, recognise};
use super::{FileRefusal, Format, charset, line_break, vcard};

/// LinkedIn writes a note of several lines before its header; the header is searched for in this many lines.
const HEADER_LINES: usize = 40;

/// The supported kinds.
pub(super) enum Kind {
    VCard,
    Table(Header),
}

/// The header of a CSV.
pub(super) struct Header {
    pub format: Format,
    pub delimiter: u8,
    pub columns: Vec<Option<Column>>,
    /// The offset of the first row, in bytes.
    pub rows: usize,
}

/// Detects the kind of a file.
pub(super) fn kind_of(bytes: &[u8]) -> Result<Kind, FileRefusal> {
    let end = line_break(bytes);
    let lines = || bytes.split(|byte| *byte == end);
    let Some(first) = lines().find(|line| !line.trim_ascii().is_empty()) else { return Err(FileRefusal::Empty) };
    if first.starts_with(b"PK\x03\x04") {
        return Err(FileRefusal::Archive);
    }
    let is_marker = |line| vcard::is_marker(line, "BEGIN") || vcard::is_marker(line, "END");
    if lines().take(HEADER_LINES).any(is_marker) {
        return Ok(Kind::VCard);
    }
    if let Some(header) = find_header(lines().take(HEADER_LINES)) {
        return Ok(Kind::Table(header));
    }
    if lines().any(is_marker) {
        return Ok(Kind::VCard);
    }
    if lines().take(HEADER_LINES).any(|line| line.starts_with(b"dn:")) {
        return Err(FileRefusal::Ldif);
    }
    Err(FileRefusal::NotContacts)
}

fn find_header<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<Header> {
    let mut rows = 0;
    for line in lines {
        rows += line.len() + 1;
        let readings = [b',', b';', b'\t'].into_iter().filter_map(|delimiter| {
            let (format, columns) = recognise(&cells(line, delimiter))?;
            Some(Header { format, delimiter, columns, rows })
        });
        if let Some(header) = readings.max_by_key(|header| header.columns.iter().flatten().count()) {
            return Some(header);
        }
    }
    None
}

fn cells(line: &[u8], delimiter: u8) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(line);
    let record = reader.byte_records().next().and_then(Result::ok).unwrap_or_default();
    record.iter().map(|cell| charset::text(cell, None)).collect()
}
