//! Reads the rows of a CSV export whose header is known.

use super::columns::Column;
use super::detect::Header;
use super::draft::{Draft, Findings};
use super::{Contents, Entry, FileRefusal, MAX_RECORDS, charset, line_break};
use csv::{ByteRecord, Reader, ReaderBuilder};

/// Reads all rows of a file.
pub(super) fn read(bytes: &[u8], header: &Header) -> Result<Contents, FileRefusal> {
    let mut table = Table { header, entries: Vec::new(), findings: Findings::default(), rows: 0, skipped_blank: 0 };
    let mut lines = LineNumbers { bytes, end: line_break(bytes), at: 0, line: 1 };
    let mut from = header.rows.min(bytes.len());
    while from < bytes.len() {
        let (mut reader, mut record) = (reader_of(&bytes[from..], header.delimiter), ByteRecord::new());
        let base = from;
        from = bytes.len();
        // Reading from memory cannot fail.
        while let Ok(true) = reader.read_byte_record(&mut record) {
            let end = base + position_of(&reader);
            let start = skip_breaks(bytes, base + record.position().map_or(0, |position| index(position.byte())), end);
            let line = lines.number_of(start);
            if let Some(next) = after_broken_quote(&bytes[start..end], header.delimiter) {
                table.findings.lost(line, "a quotation mark on this line is not closed: correct the line");
                from = start + next;
                break;
            }
            table.row(line, &record)?;
        }
    }
    let Table { entries, findings, skipped_blank, .. } = table;
    Ok(Contents { format: header.format, entries, problems: findings.problems, skipped_blank })
}

fn reader_of(bytes: &[u8], delimiter: u8) -> Reader<&[u8]> {
    ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(bytes)
}

fn position_of(reader: &Reader<&[u8]>) -> usize {
    index(reader.position().byte())
}

fn index(byte: u64) -> usize {
    usize::try_from(byte).unwrap_or(usize::MAX)
}

fn skip_breaks(bytes: &[u8], start: usize, end: usize) -> usize {
    start + bytes[start..end].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

struct Table<'a> {
    header: &'a Header,
    entries: Vec<Entry>,
    findings: Findings,
    rows: usize,
    skipped_blank: u32,
}

impl Table<'_> {
    fn row(&mut self, line: u32, record: &ByteRecord) -> Result<(), FileRefusal> {
        self.findings.next_record();
        let mut draft = Draft::new(line);
        let (mut blank, mut surplus) = (true, false);
        for (index, cell) in record.iter().enumerate() {
            let text = charset::text(cell, None);
            if text.trim().is_empty() {
                continue;
            }
            let column = self.header.columns.get(index);
            // LinkedIn leaves a row with nothing but the date for members who have left.
            blank &= column == Some(&Some(Column::KnownSince));
            surplus |= column.is_none();
            if let Some(Some(column)) = column {
                fill(&mut draft, *column, &text, line, &mut self.findings);
            }
        }
        if blank {
            self.skipped_blank += 1;
            return Ok(());
        }
        self.rows += 1;
        if self.rows > MAX_RECORDS {
            return Err(FileRefusal::TooManyRecords);
        }
        if surplus {
            self.findings.remark(line, "this row has more cells than the header: the last ones were left out");
        }
        self.entries.extend(draft.finish(&mut self.findings));
        Ok(())
    }
}

fn fill(draft: &mut Draft, column: Column, text: &str, line: u32, findings: &mut Findings) {
    match column {
        Column::Name => draft.name(text, line, findings),
        Column::GivenName => draft.given_name(text, line, findings),
        Column::MiddleName => draft.middle_name(text, line, findings),
        Column::FamilyName => draft.family_name(text, line, findings),
        Column::Nickname => draft.nickname(text, line, findings),
        Column::Email => draft.emails(text, line, findings),
        Column::Phone => draft.phones(text, line, findings),
        Column::Company => draft.company(text, line, findings),
        Column::Title => draft.title(text, line, findings),
        Column::Notes => draft.note(text),
        Column::Url => draft.urls(text, line, findings),
        Column::Birthday => draft.birthday(text, line, findings),
        Column::KnownSince => draft.known_since(text, line, findings),
    }
}

/// Converts offsets, in ascending order, to line numbers.
struct LineNumbers<'a> {
    bytes: &'a [u8],
    end: u8,
    at: usize,
    line: u32,
}

impl LineNumbers<'_> {
    fn number_of(&mut self, offset: usize) -> u32 {
        let breaks = self.bytes[self.at..offset].iter().filter(|byte| **byte == self.end).count();
        self.line += u32::try_from(breaks).unwrap_or(u32::MAX);
        self.at = offset;
        self.line
    }
}

/// Where to resume if a row spans several lines only because a quotation mark is not closed: after its first line.
///
/// Without this, one unclosed mark would swallow all rows up to the next one, or to the end of the file.
fn after_broken_quote(row: &[u8], delimiter: u8) -> Option<usize> {
    let text = row.trim_ascii_end();
    let first_line = text.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
    (!is_well_quoted(text, delimiter)).then_some(first_line + 1)
}

fn is_well_quoted(text: &[u8], delimiter: u8) -> bool {
    let mut rest = text;
    loop {
        if let [b'"', inner @ ..] = rest {
            let Some(after) = after_closing_quote(inner) else { return false };
            match after {
                [] => return true,
                [next, ..] if *next == delimiter => rest = after,
                _ => return false,
            }
        }
        match rest.iter().position(|byte| *byte == delimiter) {
            Some(at) => rest = &rest[at + 1..],
            None => return true,
        }
    }
}

fn after_closing_quote(inner: &[u8]) -> Option<&[u8]> {
    let mut rest = inner;
    loop {
        let at = rest.iter().position(|byte| *byte == b'"')?;
        rest = &rest[at + 1..];
        match rest {
            [b'"', after @ ..] => rest = after,
            _ => return Some(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_torn_over_lines_are_broken() {
        assert_eq!(after_broken_quote(b"a,\"b\nc\",d\r\n", b','), None);
        assert_eq!(after_broken_quote(b"a,\"say \"\"hi\"\"\nthere\"", b','), None);
        assert_eq!(after_broken_quote(b"a,\"b\" c,d\n", b','), None);
        assert_eq!(after_broken_quote(b"a,\"b\nc,d", b','), Some(5));
        assert_eq!(after_broken_quote(b"a,\"b\nc,\"d\",e\n", b','), Some(5));
    }
}
