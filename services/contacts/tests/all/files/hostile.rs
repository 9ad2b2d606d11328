//! Hostile input: nothing panics, nothing grows without limit, and unusual text is preserved.

use super::accounting::beginnings;
use super::samples::{self, Numbers};
use contacts::domain::files::{self, Card, FileRefusal, MAX_NAME_CHARS, MAX_NOTES_CHARS, MAX_REMARKS, MAX_VALUES};
use std::time::Instant;

const MUTATIONS: usize = 2_000;

#[test]
fn naughty_strings_survive_export_and_import() {
    let Some(strings) = samples::json("fuzz/blns.json") else { return };
    let (mut equal, mut cleaned) = (0, 0);
    for text in strings.as_array().expect("it is a list").iter().filter_map(|text| text.as_str()) {
        let card = Card {
            uid: Some("1".into()),
            name: text.into(),
            notes: Some(format!("{text}\n{text}")),
            ..Card::default()
        };

        let contents = files::read(files::to_vcard(&card, "1", "").as_bytes());

        // Control characters are not allowed in a vCard, and ends are trimmed.
        let plain: String = text.chars().filter(|letter| !letter.is_ascii_control()).collect();
        if plain.trim().is_empty() {
            cleaned += 1;
            continue;
        }
        let read = &contents.expect("an exported card can be read").entries[0].card;
        assert_eq!(read.name, plain.trim());
        assert_eq!(read.notes.as_deref(), Some(format!("{plain}\n{plain}").trim()));
        if read.name == text { equal += 1 } else { cleaned += 1 }
    }
    println!("naughty strings: {equal} equal, {cleaned} cleaned of control characters or outer spaces");
    assert!(equal > 20 * cleaned);
}

#[test]
fn any_card_survives_export_and_import() {
    const LETTERS: &[char] = &[
        'a', 'Z', '\\', ';', ',', ':', '"', '=', 'n', ' ', 'é', 'ß', '漢', '🙂', '\u{301}', '\u{85}', '\u{feff}', '\'',
    ];
    let mut numbers = Numbers(7);
    for round in 0..2_000 {
        let mut text = |limit: usize| -> String {
            let letters: String = (0..numbers.below(limit)).map(|_| LETTERS[numbers.below(LETTERS.len())]).collect();
            letters.trim().to_owned()
        };
        let mut some = |limit: usize| Some(text(limit)).filter(|text| !text.is_empty());
        let card = Card {
            uid: Some("id-1".into()),
            name: some(200).unwrap_or("x".into()),
            given_name: some(30),
            family_name: some(30),
            emails: vec!["jürgen+tag@bücher.example".into(), format!("a{round}@x.de")],
            phones: some(20).into_iter().filter(|phone| !phone.contains(":::")).collect(),
            company: some(80),
            title: some(80),
            notes: some(90).map(|first| format!("{first}\n\nx\n{first}").trim().to_owned()),
            urls: vec![format!("https://x.de/\\{round};a,b\\n")],
            birthday: Some(["1999-12-31", "--02-29", "1999-12", "1999"][round % 4].into()),
            known_since: Some("2021-03-02".into()),
        };

        let written = files::to_vcard(&card, "id-1", "20260102T030405Z");

        assert!(written.split("\r\n").all(|line| line.len() <= 75), "{written}");
        let contents = files::read(written.as_bytes()).expect("an exported card can be read");
        assert_eq!(contents.problems, []);
        assert_eq!(contents.entries[0].card, card, "{written}");
        assert_eq!(contents.entries[0].card.source_key(), "uid:id-1");
    }
}

#[test]
fn mutated_real_files_never_panic_and_lose_no_card() {
    let files = samples::contact_files();
    let mut numbers = Numbers(42);
    let (mut read, mut refused) = (0, 0);
    for round in 0..if files.is_empty() { 0 } else { MUTATIONS } {
        let (name, original) = &files[round % files.len()];
        let mut bytes = original.clone();
        for _ in 0..=numbers.below(20) {
            mutate(&mut bytes, &mut numbers);
        }
        match files::read(&bytes) {
            Err(_) => refused += 1,
            Ok(contents) => {
                read += 1;
                if contents.format == files::Format::VCard {
                    let told = |line| contents.problems.iter().any(|problem| problem.line == line);
                    let kept = |line| contents.entries.iter().any(|entry| entry.line == line);
                    let lost = beginnings(&bytes).into_iter().find(|line| !told(*line) && !kept(*line));
                    assert_eq!(lost, None, "{name} in round {round}");
                }
                assert!(contents.entries.iter().all(|entry| !entry.card.name.is_empty()), "{name}");
            }
        }
    }
    println!("{MUTATIONS} mutations: {read} read, {refused} refused");
}

fn mutate(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    const PIECES: &[&[u8]] = &[
        b"\"",
        b"\n",
        b"\r\n ",
        b";",
        b",",
        b"=",
        b"=\r\n",
        b":",
        b"\0",
        b"\xFF\xFE",
        b"\xC3",
        b"BEGIN:VCARD\r\n",
        b"END:VCARD\r\n",
        b"\\",
        b" ::: ",
    ];
    let at = numbers.below(bytes.len());
    match numbers.below(4) {
        0 if !bytes.is_empty() => bytes[at] = u8::try_from(numbers.below(256)).expect("it is a byte"),
        1 if !bytes.is_empty() => {
            let end = (at + numbers.below(40)).min(bytes.len());
            bytes.drain(at..end);
        }
        2 => {
            let end = (at + numbers.below(200)).min(bytes.len());
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
        _ => {
            bytes.splice(at..at, PIECES[numbers.below(PIECES.len())].iter().copied());
        }
    }
}

#[test]
fn a_stray_quotation_mark_anywhere_costs_one_row_at_most() {
    let header = "First Name,Last Name,Email Address,Company,Notes\n";
    let row = |number: usize| match number % 3 {
        0 => format!("A{number},One,a{number}@x.de,Acme,\n"),
        1 => format!("B{number},Two,,\"Acme, Inc.\",\"two\nlines\"\n"),
        _ => format!("\"C{number}\",Three,c{number}@x.de,,\"say \"\"hi\"\"\"\n"),
    };
    let rows: String = (0..30).map(row).collect();
    let mut cost = [0; 3];
    for at in 0..rows.len() {
        let file = format!("{header}{}\"{}", &rows[..at], &rows[at..]);
        let contents = files::read(file.as_bytes()).expect("the file can be read");
        let whole = (0..30).filter(|number| {
            let name = [["A", "B", "C"][number % 3], &number.to_string()].concat();
            contents.entries.iter().any(|entry| entry.card.given_name.as_deref() == Some(&name))
        });
        let lost = 30 - whole.count();
        assert!(lost <= 1, "{lost} rows lost with a mark before {:?}", &rows[at..(at + 20).min(rows.len())]);
        cost[lost] += 1;
    }
    println!("stray marks: {} cost nothing, {} cost a row", cost[0], cost[1]);
}

#[test]
fn huge_fields_and_rows_are_cut_and_told_of() {
    let long = "x".repeat(10 * 1024 * 1024);
    let csv = format!("Name,Email,Notes\n{long},a@x.de,{long}\nB,b@x.de,\n");
    let vcard = format!("BEGIN:VCARD\nFN:{long}\nEMAIL:a@x.de\nNOTE:{long}\nEND:VCARD\nBEGIN:VCARD\nFN:B\nEND:VCARD\n");
    for file in [csv, vcard] {
        let contents = files::read(file.as_bytes()).expect("the file can be read");
        let card = &contents.entries[0].card;
        assert_eq!(card.name.chars().count(), MAX_NAME_CHARS);
        assert_eq!(card.notes.as_ref().map(|notes| notes.chars().count()), Some(MAX_NOTES_CHARS));
        assert_eq!(contents.entries.len(), 2);
        assert_eq!(contents.problems.len(), 2);
    }
    let columns: Vec<String> = (0..10_000).map(|number| format!("E-mail {number} - Value")).collect();
    let cells: Vec<String> = (0..10_000).map(|number| format!("a{number}@x.de")).collect();
    let wide = files::read(format!("First Name,{}\nA,{}\n", columns.join(","), cells.join(",")).as_bytes());
    let wide = wide.expect("the file can be read");
    assert_eq!(wide.entries[0].card.emails.len(), MAX_VALUES);
    assert_eq!(wide.problems.len(), MAX_REMARKS + 1);
}

#[test]
fn zeros_and_broken_letters_are_no_trouble() {
    let contents =
        files::read(b"Name,Email,Notes\nA\0B,a\0@x.de,\xFF\xFE\0\n\0,\0,\0\n").expect("the file can be read");
    assert_eq!(contents.entries[0].card.name, "AB");
    assert!(contents.entries.iter().all(|entry| !format!("{entry:?}").contains("\\0")));
    let cut = files::read(b"BEGIN:VCARD\nFN:\xC3\x91\xC3\x91\xC3\nEND:VCARD\n").expect("the file can be read");
    assert_eq!(cut.entries[0].card.name, "ÑÑ\u{FFFD}");
    assert_eq!(cut.problems.len(), 1);
}

#[test]
fn too_much_is_refused() {
    let zeros = vec![0; files::MAX_FILE_BYTES + 1];
    assert_eq!(files::read(&zeros), Err(FileRefusal::TooLarge));
    let rows = format!("Name,Email\n{}", "a,\n".repeat(files::MAX_RECORDS + 1));
    assert_eq!(files::read(rows.as_bytes()), Err(FileRefusal::TooManyRecords));
    let cards = "BEGIN:VCARD\n".repeat(files::MAX_RECORDS + 1);
    assert_eq!(files::read(cards.as_bytes()), Err(FileRefusal::TooManyRecords));
    let ends = "x\nEND:VCARD\n".repeat(files::MAX_RECORDS + 1);
    assert_eq!(files::read(ends.as_bytes()), Err(FileRefusal::TooManyRecords));
}

#[test]
fn rows_that_only_pad_a_sheet_are_no_records() {
    let padded = format!("Name,Email\nA,a@x.de\n{}", ",\n".repeat(1_048_575));
    let contents = files::read(padded.as_bytes()).expect("the file can be read");
    assert_eq!((contents.entries.len(), contents.skipped_blank), (1, 1_048_575));
}

#[test]
fn remarks_end_where_nobody_would_read_on_but_cards_do_not() {
    let rows = format!("Name,Email\n{}", "a,b\n".repeat(20_000));
    let contents = files::read(rows.as_bytes()).expect("the file can be read");
    assert_eq!(contents.entries.len(), 20_000);
    assert_eq!(contents.problems.len(), files::MAX_FILE_REMARKS + 1);
}

#[test]
fn the_largest_files_are_read_in_linear_time() {
    let fill = |head: &str, piece: &str| {
        let mut file = head.to_owned();
        file.push_str(&piece.repeat(8 * 1024 * 1024 / piece.len()));
        file
    };
    for file in [
        fill("BEGIN:VCARD\nNOTE;QUOTED-PRINTABLE:=\n", "a=\n"),
        fill("BEGIN:VCARD\n", " =\n"),
        fill("BEGIN:VCARD\nFN:A\n", "EMAIL:x\n"),
        fill("BEGIN:VCARD\nFN:A\nAGENT:\n", "\n"),
        fill("BEGIN:VCARD\nFN:A\n", ";\"=:"),
        fill("Name,Email\n", "\n"),
        fill("Name,Email\n", &format!("\"{}\n", "a,b\n".repeat(80))),
        fill("Name,Email\n\"", "\"\"\n"),
        fill("Name,Email\n", ","),
        fill("", "\n"),
        fill("\"", ","),
    ] {
        let started = Instant::now();
        let outcome = files::read(file.as_bytes());
        let (start, took) = (&file[..30.min(file.len())], started.elapsed());
        println!(
            "{start:?} took {took:?}, {}",
            outcome.map_or_else(|refusal| refusal.to_string(), |read| format!("{} problems", read.problems.len()))
        );
        assert!(took.as_secs() < 20, "{start:?} took {took:?}");
    }
}
