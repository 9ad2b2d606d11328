//! Other programs' readings of the same files, parsed here without the reader under test.

use super::samples;
use contacts::domain::files::{self, Card, normal_email, normal_phone};
use serde_json::Value;
use std::collections::BTreeMap;

/// The values of a card by property.
type Values = BTreeMap<String, Vec<String>>;

#[test]
fn cards_are_what_roundcube_makes_of_the_csv() {
    for name in ["google-old-roundcube", "roundcube-all", "roundcube-outlook"] {
        let compared = compare(&format!("contacts-csv/{name}.csv"), &format!("contacts-csv/{name}.expected.vcf"));
        assert!(compared.is_none_or(|cards| cards == 1), "{name}");
    }
}

#[test]
fn cards_are_what_kcontacts_makes_of_them() {
    for (name, cards) in [
        ("kcontacts-vcard5", 1),
        ("kcontacts-vcard6", 1),
        ("kcontacts-vcard9", 1),
        ("kcontacts-vcard10", 5),
        ("kcontacts-vcard14", 1),
        ("kcontacts-vcard_extension_case_normalization", 1),
    ] {
        let compared = compare(&format!("vcard/{name}.vcf"), &format!("vcard/{name}.vcf.ref"));
        assert!(compared.is_none_or(|compared| compared == cards), "{name}");
    }
}

#[test]
fn cards_are_what_ical_js_makes_of_them() {
    let Some(file) = samples::bytes("vcard/icaljs-vcard3.vcf") else { return };
    let wanted = samples::json("vcard/icaljs-vcard3.json").expect("the folder is there");

    let contents = files::read(&file).expect("the file can be read");

    assert_card("icaljs-vcard3", &contents.entries[0].card, &values_of_jcard(&wanted));
}

#[test]
fn a_card_written_from_json_is_read() {
    let Some(jcard) = samples::json("vcard/ezvcard-jcard-example.json") else { return };
    let mut text = String::from("BEGIN:VCARD\r\n");
    for (name, values) in values_of_jcard(&jcard) {
        for value in values {
            text.push_str(&format!("{name}:{value}\r\n"));
        }
    }
    text.push_str("END:VCARD\r\n");

    let contents = files::read(text.as_bytes()).expect("the file can be read");

    let card = &contents.entries[0].card;
    assert_eq!(card.name, "Simon Perreault");
    assert_eq!(card.birthday.as_deref(), Some("--02-03"));
    assert_eq!(card.emails, ["simon.perreault@viagenie.ca"]);
    assert_eq!(card.phones, ["+1-418-656-9254 ext. 102", "+1-418-262-6501"]);
    assert_eq!(card.company.as_deref(), Some("Viagenie"));
    assert_eq!(card.urls, ["http://nomis80.org"]);
    assert_eq!(contents.problems, []);
}

#[test]
fn rows_are_what_csv_spectrum_says() {
    let mut compared = 0;
    for name in ["empty_crlf", "escaped_quotes", "newlines", "simple", "utf8", "comma_in_quotes"] {
        let Some(csv) = samples::bytes(&format!("fuzz/csv-spectrum/{name}.csv")) else { return };
        let rows = samples::json(&format!("fuzz/csv-spectrum/{name}.json")).expect("the folder is there");
        let (header, body) = csv.split_at(csv.iter().position(|byte| *byte == b'\n').expect("it has a header"));
        let keys: Vec<&str> = std::str::from_utf8(header).expect("it is text").trim().split(',').collect();
        // Known headers in place of `a,b,c`; no row has a cell for the last one.
        let known = ["Company", "Notes", "Title", "First Name", "Last Name"];
        let file = [known[..keys.len()].join(",").as_bytes(), b",Name", body].concat();

        let contents = files::read(&file).expect("the file can be read");

        let rows = rows.as_array().expect("it is a list of rows");
        assert_eq!(contents.entries.len(), rows.len(), "{name}");
        for (entry, row) in contents.entries.iter().zip(rows) {
            let Card { company, notes, title, given_name, family_name, .. } = entry.card.clone();
            for (key, value) in keys.iter().zip([company, notes, title, given_name, family_name]) {
                // A company is on one line.
                let said = row[key].as_str().expect("it is text").replace(" \n", " ");
                assert_eq!(value.unwrap_or_default(), said, "{name}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 33);
}

#[test]
fn addresses_are_judged_as_isemail_does() {
    let Some(cases) = samples::json("fuzz/isemail-addresses.json") else { return };
    let (mut valid, mut invalid) = (0, 0);
    for case in cases.as_array().expect("it is a list") {
        let address = case["address"].as_str().expect("it is text");
        // The reader trims, so a line break at either end is not an error.
        let trimmed = address.trim();
        match case["category"].as_str().expect("it is text") {
            "ISEMAIL_VALID_CATEGORY" | "ISEMAIL_DNSWARN" => {
                assert_eq!(normal_email(address), Some(trimmed.to_lowercase()), "{address:?}");
                valid += 1;
            }
            "ISEMAIL_ERR" if trimmed == address => {
                assert_eq!(normal_email(address), None, "{address:?}");
                invalid += 1;
            }
            _ => {}
        }
    }
    println!("isemail: {valid} valid and {invalid} invalid addresses judged the same");
    assert!(valid > 5 && invalid > 15);
}

#[test]
fn example_numbers_of_every_region_are_normal() {
    let Some(file) = samples::bytes("fuzz/phone-examples.csv") else { return };
    let mut reader = csv::Reader::from_reader(file.as_slice());
    let mut compared = 0;
    for row in reader.records() {
        let row = row.expect("it is CSV");
        let (country, national, e164) = (&row[1], &row[3], &row[4]);
        // Four digits after the country code are a service number, which no contact has.
        if e164.len() < 8 || e164.len() > 16 {
            continue;
        }
        for written in [
            e164.to_owned(),
            format!("+{country} ({national})"),
            format!("00{country}-{national}"),
            format!("tel:{e164}"),
        ] {
            assert_eq!(normal_phone(&written).as_deref(), Some(e164), "{written}");
        }
        compared += 1;
    }
    println!("libphonenumber: {compared} numbers compared");
    assert!(compared > 500);
}

fn compare(file: &str, expected: &str) -> Option<usize> {
    let contents = files::read(&samples::bytes(file)?).expect("the file can be read");
    let expected = String::from_utf8(samples::bytes(expected)?).expect("it is UTF-8");
    let wanted = values_of_vcards(&expected);
    assert_eq!(contents.entries.len(), wanted.len(), "{file}");
    for (entry, wanted) in contents.entries.iter().zip(&wanted) {
        assert_card(file, &entry.card, wanted);
    }
    Some(wanted.len())
}

fn assert_card(file: &str, card: &Card, wanted: &Values) {
    let all = |name: &str| wanted.get(name).cloned().unwrap_or_default();
    let first = |name: &str| all(name).into_iter().find(|value| !value.is_empty());
    if let Some(name) = first("FN") {
        assert_eq!(card.name, name, "{file}");
    }
    let emails: Vec<String> = all("EMAIL").iter().map(|email| email.to_lowercase()).collect();
    assert_eq!(card.emails, emails, "{file}");
    assert_eq!(card.phones, all("TEL"), "{file}");
    assert_eq!(card.urls, all("URL"), "{file}");
    assert_eq!(card.company, first("ORG"), "{file}");
    assert_eq!(card.title, first("TITLE"), "{file}");
    assert_eq!(card.notes, first("NOTE"), "{file}");
    assert_eq!(card.uid, first("UID"), "{file}");
    let family_and_given = (card.family_name.clone(), card.given_name.clone());
    let name = first("N").unwrap_or_default();
    let mut parts = name.split(';').map(|part| Some(part.to_owned()).filter(|part| !part.is_empty()));
    assert_eq!(family_and_given, (parts.next().flatten(), parts.next().flatten()), "{file}");
    if let Some(day) = first("BDAY") {
        assert_eq!(card.birthday.as_deref(), Some(&day[..10]), "{file}");
    }
}

/// The expected files are simple: UTF-8, folded by a space, with backslashes only before `n`, `,` and `;`.
fn values_of_vcards(text: &str) -> Vec<Values> {
    let unfolded = text.replace("\r\n", "\n").replace("\n ", "");
    let mut cards = Vec::new();
    for line in unfolded.lines() {
        let Some((header, value)) = line.split_once(':') else { continue };
        let name = header.split(';').next().expect("a header has a name");
        let mut value = value.replace("\\n", "\n").replace("\\,", ",").replace("\\;", ";");
        if header.contains("QUOTED-PRINTABLE") {
            value = value.replace("=46", "F").replace("=C3=BC", "ü");
        }
        match (name, cards.last_mut()) {
            ("BEGIN", _) => cards.push(Values::new()),
            (_, Some(card)) => card.entry(name.to_owned()).or_default().push(value),
            (_, None) => panic!("a value stands before a card"),
        }
    }
    cards
}

fn values_of_jcard(jcard: &Value) -> Values {
    let mut values = Values::new();
    for property in jcard[1].as_array().expect("a jCard has properties") {
        let name = property[0].as_str().expect("a property has a name").to_uppercase();
        let value = match (&property[3], name.as_str()) {
            (Value::String(text), _) => text.clone(),
            (Value::Array(parts), "N") => {
                format!("{};{}", parts[0].as_str().expect("text"), parts[1].as_str().expect("text"))
            }
            (Value::Array(parts), _) => parts[0].as_str().unwrap_or_default().to_owned(),
            _ => continue,
        };
        values.entry(name).or_default().push(value);
    }
    values
}
