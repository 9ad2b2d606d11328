//! Contact files: reads the address books other programs export, and writes ours as vCard 4.0.
//!
//! Every record of a file ends as an [`Entry`], as a [`Problem`] with its line, or as a counted blank row;
//! nothing is dropped in silence. A value that cannot be kept costs a problem, not the card it stands in.
//!
//! The vCard reader is ours because `calcard` 0.3.14, tried on all sample files, has no line numbers, loses the card
//! that follows a missing `END:VCARD` and the rest of a card that nests another, and reads text where a declared
//! charset needs bytes. Line numbers and losing no card matter most here; CSV and charsets are left to libraries.

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

/// The largest file that is read.
pub const MAX_FILE_BYTES: usize = 32 * 1024 * 1024;
/// The most records one file may hold, blank rows aside.
pub const MAX_RECORDS: usize = 100_000;
/// A name, company or title is cut after this many characters.
pub const MAX_NAME_CHARS: usize = 500;
/// Notes are cut after this many characters.
pub const MAX_NOTES_CHARS: usize = 20_000;
/// The most e-mail addresses, phone numbers or web addresses of one card, each.
pub const MAX_VALUES: usize = 50;
/// The longest e-mail address, in bytes (RFC 5321).
pub const MAX_EMAIL_BYTES: usize = 254;
/// The longest phone number.
pub const MAX_PHONE_CHARS: usize = 64;
/// The longest web address or identifier.
pub const MAX_URL_CHARS: usize = 2_048;
/// The most remarks about the values of one record; the record itself is always accounted for.
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

/// Something in a file that was not taken over as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line of the file it is about, counted from 1.
    pub line: u32,
    /// What is wrong and what to do, without the value itself.
    pub reason: String,
}

/// What kind of export a file is.
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
    /// Any other CSV whose header names what a contact has.
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

/// What was read from a file. Without entries it holds at least one problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// What kind of export the file is.
    pub format: Format,
    /// The cards, in the order of the file; doubles stay doubles.
    pub entries: Vec<Entry>,
    /// What was left out or changed, in the order of the file.
    pub problems: Vec<Problem>,
    /// Rows without content: empty, or LinkedIn's rows that hold nothing but the date.
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
    /// Neither vCard nor a CSV with a header we know.
    NotContacts,
    /// A ZIP archive or an Excel workbook.
    Archive,
    /// LDIF.
    Ldif,
    /// The right kind of file, with a header but no record.
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

/// Reads a contacts file of any known kind.
///
/// # Errors
/// The refusal is about the whole file; trouble with one record is a [`Problem`] in the contents.
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

/// The byte that ends a line: a line feed, or in files of old Macs a carriage return.
fn line_break(bytes: &[u8]) -> u8 {
    if bytes.contains(&b'\n') { b'\n' } else { b'\r' }
}
