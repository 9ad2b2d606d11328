//! Problems name their line, and one broken record never affects another.

use contacts::domain::files::{self, Contents, FileRefusal, Format};

fn read(text: &str) -> Contents {
    files::read(text.as_bytes()).expect("the file can be read")
}

fn entries(contents: &Contents) -> Vec<(u32, &str)> {
    contents.entries.iter().map(|entry| (entry.line, entry.card.name.as_str())).collect()
}

fn problem_lines(contents: &Contents) -> Vec<u32> {
    contents.problems.iter().map(|problem| problem.line).collect()
}

#[test]
fn lines_are_counted_the_same_with_any_line_ending() {
    let rows = "Notes:\n\n\nFirst Name,Last Name,Email Address,Company,Connected On\n\nA,One,bad,\"x\ny\",\n\n\nB,Two,,,01 Jan 2020\n";
    for ending in ["\n", "\r\n", "\r"] {
        let contents = read(&rows.replace('\n', ending));
        assert_eq!(entries(&contents), [(6, "A One"), (10, "B Two")], "{ending:?}");
        assert_eq!(problem_lines(&contents), [6], "{ending:?}");
    }
    let cards = "\nBEGIN:VCARD\nFN:A\nNOTE:x\n y\nEMAIL:bad\nEND:VCARD\n\nBEGIN:VCARD\nFN:B\nEND:VCARD\n";
    for ending in ["\n", "\r\n", "\r"] {
        let contents = read(&cards.replace('\n', ending));
        assert_eq!(entries(&contents), [(2, "A"), (9, "B")], "{ending:?}");
        assert_eq!(problem_lines(&contents), [6], "{ending:?}");
        assert_eq!(contents.entries[0].card.notes.as_deref(), Some("xy"));
    }
}

#[test]
fn an_unclosed_quotation_mark_costs_one_row() {
    let contents =
        read("Name,Email,Company\nA,a@x.de,Acme\n\"B,b@x.de,Acme\nC,c@x.de,Acme\nD,d@x.de,\"Acme\"\nE,e@x.de,Acme\n");
    assert_eq!(entries(&contents), [(2, "A"), (4, "C"), (5, "D"), (6, "E")]);
    assert_eq!(problem_lines(&contents), [3]);
}

#[test]
fn a_card_without_end_is_kept_and_so_is_the_next() {
    let contents = read("BEGIN:VCARD\nFN:A\nTEL:1\nBEGIN:VCARD\nFN:B\nEND:VCARD\nBEGIN:VCARD\nFN:C\n");
    assert_eq!(entries(&contents), [(1, "A"), (4, "B"), (7, "C")]);
    assert_eq!(problem_lines(&contents), [1, 7]);
}

#[test]
fn a_nested_agent_is_told_of_and_does_not_mix_with_its_card() {
    let contents = read(
        "BEGIN:VCARD\nFN:A\nAGENT:\nBEGIN:VCARD\nFN:Agent\nTEL:9\nEND:VCARD\nTEL:1\nEND:VCARD\nBEGIN:VCARD\nFN:C\nEND:VCARD\n",
    );
    assert_eq!(entries(&contents), [(1, "A"), (10, "C")]);
    assert_eq!(contents.entries[0].card.phones, ["1"]);
    assert_eq!(problem_lines(&contents), [4]);
}

#[test]
fn a_stray_space_does_not_hide_where_a_card_begins() {
    let contents = read("BEGIN:VCARD\n stray\nFN:A\nEND:VCARD\n \nBEGIN:VCARD\nFN:B\nEND:VCARD");
    assert_eq!(entries(&contents), [(1, "A"), (6, "B")]);
    assert_eq!(problem_lines(&contents), [2]);
}

#[test]
fn lines_outside_of_cards_are_told_of_once() {
    let contents = read("hello\nthere\nBEGIN:VCARD\nFN:A\nEND:VCARD\nBEGIN:VCAR\nFN:B\nEND:VCARD\nFN:C\nEND:VCARD\n");
    assert_eq!(entries(&contents), [(3, "A")]);
    assert_eq!(problem_lines(&contents), [1, 6, 9]);
}

#[test]
fn a_cut_quoted_printable_value_does_not_swallow_the_end() {
    let contents =
        read("BEGIN:VCARD\nVERSION:2.1\nFN;QUOTED-PRINTABLE:J=C3=B6rg=\nEND:VCARD\nBEGIN:VCARD\nFN:B\nEND:VCARD\n");
    assert_eq!(entries(&contents), [(1, "Jörg="), (5, "B")]);
}

#[test]
fn old_cards_are_read_with_all_their_oddities() {
    let contents = files::read(
        b"begin:vcard\r\nversion:2.1\r\nN;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:=\r\nM=C3=BCller;=\r\nJ=C3=B6rg=3B\r\n\
          item1.EMAIL;INTERNET:J@X.de\r\nTEL;CELL:+49 170 1\r\nORG:Do\\;nau;Dept\r\nNOTE;CHARSET=iso-8859-2:\xB3\xF3d\xBC\\, a\\nb\r\n\
          TITLE;X=\"a:b;c\":Boss\r\nPHOTO;BASE64:\r\n/9j/4AAQ\r\nSkZJRg==\r\n\r\nend:vcard\r\n",
    )
    .expect("the file can be read");

    let card = &contents.entries[0].card;
    assert_eq!((card.family_name.as_deref(), card.given_name.as_deref()), (Some("Müller"), Some("Jörg;")));
    assert_eq!(card.name, "Jörg; Müller");
    assert_eq!(card.emails, ["j@x.de"]);
    assert_eq!(card.phones, ["+49 170 1"]);
    assert_eq!(card.company.as_deref(), Some("Do;nau"));
    assert_eq!(card.title.as_deref(), Some("Boss"));
    assert_eq!(card.notes.as_deref(), Some("łódź, a\nb"));
    assert_eq!(contents.problems, []);
}

#[test]
fn a_card_is_named_by_the_best_it_has() {
    let named = |lines: &str| read(&format!("BEGIN:VCARD\n{lines}\nEND:VCARD\n")).entries[0].card.name.clone();
    assert_eq!(named("FN:Full\nN:Family;Given"), "Full");
    assert_eq!(named("FN:\nN:Family;Given;Middle;Dr.;"), "Given Middle Family");
    assert_eq!(named("N:;;;;\nNICKNAME:Nick\nORG:Acme"), "Nick");
    assert_eq!(named("ORG:;Dept\nEMAIL:a@x.de"), "a@x.de");
    assert_eq!(named("TEL:123"), "123");
    assert_eq!(named("KIND:org\nORG:Acme"), "Acme");
}

#[test]
fn groups_and_texts_in_base64_are_told_of() {
    let contents =
        read("BEGIN:VCARD\nKIND:group\nFN:Team\nEND:VCARD\nBEGIN:VCARD\nFN:B\nNOTE;ENCODING=b:AAAA\nEND:VCARD\n");
    assert_eq!(entries(&contents), [(5, "B")]);
    assert_eq!(problem_lines(&contents), [1, 7]);
}

#[test]
fn values_that_are_not_sound_are_left_out_with_their_line() {
    let contents = read(
        "BEGIN:VCARD\nFN:A\nEMAIL:a@x.de\nEMAIL:a@@x\nURL:javascript:alert(1)\nURL:https\\://x.de\nBDAY:soon\nnothing\nalso nothing\nEND:VCARD\n",
    );
    assert_eq!(contents.entries[0].card.emails, ["a@x.de"]);
    assert_eq!(contents.entries[0].card.urls, ["https://x.de"]);
    assert_eq!(problem_lines(&contents), [4, 5, 7, 8]);
    assert!(contents.problems.iter().all(|problem| !problem.reason.contains("@@")));
}

#[test]
fn cells_with_several_values_are_taken_apart() {
    let contents = read(
        "Given Name,Family Name,E-mail 1 - Type,E-mail 1 - Value,Phone 1 - Value,Website 1 - Value\n\
         A,One,* Home,A@x.de ::: b@x.de ::: a@x.de,1 ::: 2,https://x.de ::: y.de\nB,Two,,\"Bee <b@x.de>; c@x.de\",,\n",
    );
    assert_eq!(contents.format, Format::GoogleOld);
    assert_eq!(contents.entries[0].card.emails, ["a@x.de", "b@x.de"]);
    assert_eq!(contents.entries[0].card.phones, ["1", "2"]);
    assert_eq!(contents.entries[0].card.urls, ["https://x.de", "y.de"]);
    assert_eq!(contents.entries[1].card.emails, ["b@x.de", "c@x.de"]);
    assert_eq!(contents.problems, []);
    let contents = read("Name,Email\nA,a@x.de; nobody; b@x.de\n");
    assert_eq!(contents.entries[0].card.emails, ["a@x.de", "b@x.de"]);
    assert_eq!(problem_lines(&contents), [2]);
}

#[test]
fn any_charset_and_separator_is_read() {
    let german = "Vorname;Nachname;Firma;E-Mail-Adresse;Mobiltelefon\r\nJörg;Müller;Größe & Söhne;j@x.de;0170 1\r\n";
    let utf16 = |mark: &[u8], bytes: fn(u16) -> [u8; 2]| {
        [mark.to_vec(), german.encode_utf16().flat_map(bytes).collect()].concat()
    };
    let latin: Vec<u8> = german.chars().map(|letter| u8::try_from(letter as u32).expect("it is Latin-1")).collect();
    for file in [
        german.as_bytes().to_vec(),
        [b"\xEF\xBB\xBF", german.as_bytes()].concat(),
        german.replace(';', "\t").into_bytes(),
        utf16(b"\xFF\xFE", u16::to_le_bytes),
        utf16(b"\xFE\xFF", u16::to_be_bytes),
        utf16(b"", u16::to_be_bytes),
        latin,
    ] {
        let contents = files::read(&file).expect("the file can be read");
        assert_eq!(contents.format, Format::Outlook);
        assert_eq!(entries(&contents), [(2, "Jörg Müller")]);
        assert_eq!(contents.entries[0].card.company.as_deref(), Some("Größe & Söhne"));
        assert_eq!(contents.problems, []);
    }
}

#[test]
fn blank_rows_are_counted_and_rows_about_nobody_are_problems() {
    let contents = read(
        "First Name,Last Name,Email Address,Notes,Connected On\n,,,,01 Jan 2023\n,,,,\n,,,met somewhere,\nA,,,,02 Mar 2021\n",
    );
    assert_eq!(entries(&contents), [(5, "A")]);
    assert_eq!(contents.skipped_blank, 2);
    assert_eq!(problem_lines(&contents), [4]);
    assert_eq!(contents.entries[0].card.known_since.as_deref(), Some("2021-03-02"));
}

#[test]
fn what_is_no_contacts_file_is_refused_with_a_reason() {
    for (file, refusal) in [
        ("", FileRefusal::Empty),
        (" \r\n\n", FileRefusal::Empty),
        ("\u{feff}", FileRefusal::Empty),
        ("PK\u{3}\u{4}...", FileRefusal::Archive),
        ("hello\nworld\n", FileRefusal::NotContacts),
        ("a,b,c\n1,2,3\n", FileRefusal::NotContacts),
        ("{\"contacts\": []}", FileRefusal::NotContacts),
        ("version: 1\ndn: cn=A\ncn: A\n", FileRefusal::Ldif),
        ("First Name,Last Name,URL,Email Address,Company,Position,Connected On\n", FileRefusal::NoEntries),
        ("Name,Email", FileRefusal::NoEntries),
    ] {
        assert_eq!(files::read(file.as_bytes()), Err(refusal), "{file:?}");
        let reason = refusal.to_string();
        assert!(reason.len() > 20 && !reason.ends_with('.'), "{reason}");
    }
}
