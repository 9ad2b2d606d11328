//! Contact files: reads other programs' exports, and writes vCard 4.0.
//!
//! Every record of a file ends as an [`Entry`], as a [`Problem`] with its line, or as a counted blank row; nothing is
//! dropped silently. An invalid value causes a problem, but the rest of its card is kept.
//!
//! The vCard reader is not a library. `calcard` 0.3.14, tried on all sample files, has no line numbers. It loses the
//! card that follows a missing `END:VCARD` and the rest of a card that nests another, and it reads text where a
//! declared charset needs bytes. Line numbers and losing no card matter most here; libraries handle CSV and charsets.

mod card;
mod charset;
mod columns;
mod dates;
mod detect;
mod draft;
mod export;
mod table;
mod vcard;

pub use card::{Card, normal_email, normal_phone};
pub use export::to_vcard;

use std::fmt;

/// The size of the largest file that is read.
pub const MAX_FILE_BYTES: usize = 32 * 1024 * 1024;
/// The most records that one file may have, not counting blank rows.
pub const MAX_RECORDS: usize = 100_000;
/// A name, company or title is truncated after this many characters.
pub const MAX_NAME_CHARS: usize = 500;
/// Notes are truncated after this many characters.
pub const MAX_NOTES_CHARS: usize = 20_000;
/// The most e-mail addresses, phone numbers or web addresses of one card, for each kind.
pub const MAX_VALUES: usize = 50;
/// The longest e-mail address, in bytes (RFC 5321).
pub const MAX_EMAIL_BYTES: usize = 254;
/// The longest phone number.
pub const MAX_PHONE_CHARS: usize = 64;
/// The longest web address or identifier.
pub const MAX_URL_CHARS: usize = 2_048;
/// The most remarks about the values of one record; problems with the record itself are always listed.
pub const MAX_REMARKS: usize = 20;
/// The most remarks about the values of one file.
pub const MAX_FILE_REMARKS: usize = 10_000;

/// One card of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The line of the file where the card begins, counted from 1.
    pub line: u32,
    /// What the file says about the person.
    pub card: Card,
}

/// Something in a file that was left out or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line of the file that it is about, counted from 1.
    pub line: u32,
    /// What is wrong and what to do, without the value itself.
    pub reason: String,
}

/// The kind of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// vCard 2.1, 3.0 or 4.0, also mixed.
    VCard,
    /// LinkedIn's `Connections.csv`.
    LinkedIn,
    /// Google Contacts before late 2024 (`Given Name`).
    GoogleOld,
    /// Google Contacts since late 2024 (`First Name`, `Labels`).
    GoogleNew,
    /// Outlook, web or desktop, in English, French, German or Spanish.
    Outlook,
    /// Any other CSV whose header names contact details.
    Csv,
}

impl Format {
    /// The name used in the public API.
    pub fn name(self) -> &'static str {
        match self {
            Self::VCard => "vcard",
            Self::LinkedIn => "linkedin",
            Self::GoogleOld => "google-old",
            Self::GoogleNew => "google-new",
            Self::Outlook => "outlook",
            Self::Csv => "csv",
        }
    }
}

/// The contents of a file. Without entries there is at least one problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// The kind of export.
    pub format: Format,
    /// The cards, in the order of the file; duplicates are kept.
    pub entries: Vec<Entry>,
    /// What was left out or changed, in the order of the file.
    pub problems: Vec<Problem>,
    /// Rows without content: empty rows, and LinkedIn's rows with nothing but the date.
    pub skipped_blank: u32,
}

/// Why a whole file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileRefusal {
    /// No content at all.
    Empty,
    /// Over [`MAX_FILE_BYTES`].
    TooLarge,
    /// Over [`MAX_RECORDS`].
    TooManyRecords,
    /// Neither a vCard nor a CSV with a known header.
    NotContacts,
    /// A ZIP archive or an Excel workbook.
    Archive,
    /// LDIF.
    Ldif,
    /// A supported kind of file, with a header but no record.
    NoEntries,
}

impl fmt::Display for FileRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => formatter.write_str("the file is empty: export the contacts again"),
            Self::TooLarge => {
                write!(formatter, "the file is larger than {} MiB: split it", MAX_FILE_BYTES / 1024 / 1024)
            }
            Self::TooManyRecords => write!(formatter, "the file has more than {MAX_RECORDS} records: split it"),
            Self::NotContacts => formatter.write_str(
                "this is not a contacts file: send a vCard (.vcf), or a CSV export of LinkedIn, Google Contacts \
                 or Outlook with its header line",
            ),
            Self::Archive => {
                formatter.write_str("this is an archive or a workbook: unpack it, or save the sheet as CSV")
            }
            Self::Ldif => formatter.write_str("LDIF is not supported: export the address book as vCard or CSV"),
            Self::NoEntries => formatter.write_str("the file has a header but no contacts: export them again"),
        }
    }
}

impl std::error::Error for FileRefusal {}

/// Reads a contacts file of any supported kind.
///
/// # Errors
/// If the whole file cannot be read; a problem with one record is a [`Problem`] in the contents.
pub fn read(bytes: &[u8]) -> Result<Contents, FileRefusal> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(FileRefusal::TooLarge);
    }
    let bytes = charset::without_utf16(bytes);
    let mut contents = match detect::kind_of(&bytes)? {
        detect::Kind::VCard => vcard::read(&bytes)?,
        detect::Kind::Table(header) => table::read(&bytes, &header)?,
    };
    if contents.entries.is_empty() && contents.problems.is_empty() {
        return Err(FileRefusal::NoEntries);
    }
    contents.problems.sort_by_key(|problem| problem.line);
    Ok(contents)
}

/// The byte that ends a line: a line feed, or in files from old Macs a carriage return.
fn line_break(bytes: &[u8]) -> u8 {
    if bytes.contains(&b'\n') { b'\n' } else { b'\r' }
}
