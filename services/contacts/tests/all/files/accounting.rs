//! Each record of each real file is accounted for, and the counts match.

use super::samples;
use contacts::domain::files::{self, Contents, FileRefusal};

/// File, format, records, entries, problems, blank rows.
const COUNTS: &[(&str, &str, usize, usize, usize, u32)] = &[
    ("contacts-csv/google-new-rolomind.csv", "google-new", 4, 4, 0, 0),
    ("contacts-csv/google-old-constellation.csv", "google-old", 2, 2, 0, 0),
    ("contacts-csv/google-old-roundcube.csv", "google-old", 1, 1, 0, 0),
    ("contacts-csv/google-old-roundcube.expected.vcf", "vcard", 1, 1, 0, 0),
    ("contacts-csv/linkedin-constellation.csv", "linkedin", 2, 2, 0, 0),
    ("contacts-csv/linkedin-jobradar.csv", "linkedin", 3, 3, 0, 0),
    ("contacts-csv/linkedin-network-intelligence.csv", "linkedin", 10, 10, 0, 0),
    ("contacts-csv/linkedin-rolomind-nopreamble.csv", "linkedin", 5, 5, 0, 0),
    ("contacts-csv/linkedin-six-hops.csv", "linkedin", 5, 4, 0, 1),
    ("contacts-csv/malformed-ragged-helix.csv", "csv", 10, 10, 3, 0),
    ("contacts-csv/outlook-knappsack.csv", "outlook", 1, 1, 0, 0),
    ("contacts-csv/roundcube-all.csv", "csv", 1, 1, 0, 0),
    ("contacts-csv/roundcube-all.expected.vcf", "vcard", 1, 1, 0, 0),
    ("contacts-csv/roundcube-outlook.csv", "outlook", 1, 1, 0, 0),
    ("contacts-csv/roundcube-outlook.expected.vcf", "vcard", 1, 1, 0, 0),
    ("vcard/eds-11.vcf", "vcard", 1, 1, 0, 0),
    // One address is `ÑÑÑ`, without host.
    ("vcard/ezvcard-John_Doe_ANDROID.vcf", "vcard", 6, 6, 1, 0),
    ("vcard/ezvcard-John_Doe_EVOLUTION.vcf", "vcard", 1, 1, 0, 0),
    ("vcard/ezvcard-John_Doe_GMAIL.vcf", "vcard", 1, 1, 0, 0),
    ("vcard/ezvcard-John_Doe_IPHONE.vcf", "vcard", 1, 1, 0, 0),
    ("vcard/ezvcard-fullcontact.vcf", "vcard", 1, 1, 0, 0),
    ("vcard/ezvcard-gmail-list.vcf", "vcard", 3, 3, 0, 0),
    ("vcard/ezvcard-outlook-2003.vcf", "vcard", 1, 1, 0, 0),
    ("vcard/ezvcard-rfc2426-example.vcf", "vcard", 2, 2, 0, 0),
    ("vcard/horde-export_30.vcf", "vcard", 1, 1, 0, 0),
    ("vcard/icaljs-vcard3.vcf", "vcard", 1, 1, 0, 0),
    // Only postal addresses.
    ("vcard/icaljs-vcard_grouped.vcf", "vcard", 1, 0, 1, 0),
    ("vcard/kcontacts-vcard10.vcf", "vcard", 5, 5, 0, 0),
    ("vcard/kcontacts-vcard10.vcf.ref", "vcard", 5, 5, 0, 0),
    ("vcard/kcontacts-vcard14.vcf", "vcard", 1, 1, 0, 0),
    ("vcard/kcontacts-vcard14.vcf.ref", "vcard", 1, 1, 0, 0),
    ("vcard/kcontacts-vcard5.vcf", "vcard", 1, 1, 0, 0),
    ("vcard/kcontacts-vcard5.vcf.ref", "vcard", 1, 1, 0, 0),
    ("vcard/kcontacts-vcard6.vcf", "vcard", 1, 1, 0, 0),
    ("vcard/kcontacts-vcard6.vcf.ref", "vcard", 1, 1, 0, 0),
    ("vcard/kcontacts-vcard9.vcf", "vcard", 1, 1, 0, 0),
    ("vcard/kcontacts-vcard9.vcf.ref", "vcard", 1, 1, 0, 0),
    ("vcard/kcontacts-vcard_extension_case_normalization.vcf", "vcard", 1, 1, 0, 0),
    ("vcard/kcontacts-vcard_extension_case_normalization.vcf.ref", "vcard", 1, 1, 0, 0),
    ("vcard/lexnetwork-contacts.vcf", "vcard", 2, 2, 0, 0),
    // `BEGIN:VCAR`: no card begins, which is one problem.
    ("vcard/monica-broken_vcard_stub.vcard", "vcard", 0, 0, 1, 0),
    ("vcard/monica-vcard_stub.vcf", "vcard", 3, 3, 0, 0),
    ("vcard/roundcube-apple.vcf", "vcard", 1, 1, 0, 0),
    ("vcard/roundcube-johndoe.vcf", "vcard", 1, 1, 0, 0),
    // Only a photo.
    ("vcard/sabre-issue64.vcf", "vcard", 1, 0, 1, 0),
];

#[test]
fn every_record_of_every_real_file_is_accounted_for() {
    println!("{:<60} {:>8} {:>8} {:>8} {:>8}", "file", "records", "imported", "problems", "blank");
    for (name, bytes) in samples::contact_files() {
        let contents = match files::read(&bytes) {
            Ok(contents) => contents,
            Err(refusal) => {
                println!("{name:<60} refused: {refusal}");
                assert_eq!((name.ends_with(".ldif"), refusal), (true, FileRefusal::Ldif), "{name}");
                continue;
            }
        };
        let records = if contents.format.name() == "vcard" {
            cards_accounted_for(&name, &bytes, &contents)
        } else {
            rows_accounted_for(&name, &bytes, &contents)
        };
        let (entries, problems) = (contents.entries.len(), contents.problems.len());
        println!("{name:<60} {records:>8} {entries:>8} {problems:>8} {:>8}", contents.skipped_blank);
        if let Some(known) = COUNTS.iter().find(|known| known.0 == name) {
            let found = (known.0, contents.format.name(), records, entries, problems, contents.skipped_blank);
            assert_eq!(*known, found);
        }
    }
}

#[test]
fn every_real_file_survives_an_export() {
    for (name, bytes) in samples::contact_files() {
        for mut entry in files::read(&bytes).map(|contents| contents.entries).unwrap_or_default() {
            let text = files::to_vcard(&entry.card, "exported-1", "20260102T030405Z");
            let again = files::read(text.as_bytes()).expect("an exported card can be read");
            entry.card.uid = Some("exported-1".to_owned());
            assert_eq!(again.problems, [], "{name}");
            assert_eq!(again.entries[0].card, entry.card, "{name}");
        }
    }
}

/// Lines where a card begins, found independently of the reader.
pub fn beginnings(bytes: &[u8]) -> Vec<u32> {
    let lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
    let begins = lines.filter(|(_, line)| line.trim_ascii().eq_ignore_ascii_case(b"BEGIN:VCARD") && line[0] != b' ');
    begins.map(|(number, _)| number).collect()
}

fn cards_accounted_for(name: &str, bytes: &[u8], contents: &Contents) -> usize {
    let beginnings = beginnings(bytes);
    for line in &beginnings {
        let kept = contents.entries.iter().any(|entry| entry.line == *line);
        let told = contents.problems.iter().any(|problem| problem.line == *line);
        assert!(kept || told, "{name}: the card of line {line} is lost");
    }
    assert!(contents.entries.iter().all(|entry| beginnings.contains(&entry.line)), "{name}");
    beginnings.len()
}

fn rows_accounted_for(name: &str, bytes: &[u8], contents: &Contents) -> usize {
    let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(bytes);
    // Before the header there is prose, in one cell.
    let rows = reader.byte_records().map(|row| row.expect("it is CSV")).skip_while(|row| row.len() < 3);
    let records = rows.count() - 1;
    let mut lost: Vec<u32> = contents.problems.iter().map(|problem| problem.line).collect();
    lost.dedup();
    lost.retain(|line| contents.entries.iter().all(|entry| entry.line != *line));
    let blank = usize::try_from(contents.skipped_blank).expect("it fits");
    assert_eq!(records, contents.entries.len() + lost.len() + blank, "{name}");
    records
}
