//! The forms of values in the environment.

use std::collections::BTreeMap;

use super::{read, told};
use crate::config::{BrokerSettings, RetrySettings};

#[test]
fn a_text_from_the_environment_keeps_every_character() {
    for text in ["0042", "1e5", "1.50", "true", "TRUE", "null", "", "  a b ", "[1, 2]", "a,b", "+7", "0x10", "inf"] {
        assert_eq!(told("TEXT", text).unwrap().text, text);
        assert_eq!(told("WORD", text).unwrap().word.as_deref(), Some(text));
        let password = read(&[("CONTACTS__BROKER__PASSWORD", text)]).section::<BrokerSettings>("broker").unwrap();
        assert_eq!(password.password.reveal(), text);
    }
}

#[test]
fn numbers_and_truth_values_come_from_the_environment() {
    assert_eq!(told("WHOLE", " 0042 ").unwrap().whole, 42);
    assert_eq!(told("SHARE", "1e5").unwrap().share, 1e5);
    assert_eq!(told("SHARE", "7").unwrap().share, 7.0);
    assert!(told("YES", "true").unwrap().yes && told("YES", "On").unwrap().yes && !told("YES", "0").unwrap().yes);
    assert_eq!(told("ADDRESS", "127.0.0.1:80").unwrap().address, Some(([127, 0, 0, 1], 80).into()));
}

#[test]
fn lists_come_from_the_environment() {
    for text in ["1000, 10000", "[1000, 10000]", "1000,10000", " [ 1000 , 10000 ] "] {
        assert_eq!(told("NUMBERS", text).unwrap().numbers, [1000, 10000], "{text}");
        assert_eq!(told("FEW", text).unwrap().few, Some(vec![1000, 10000]), "{text}");
    }
    for text in ["a b, 0042", "[\"a b\", \"0042\"]"] {
        assert_eq!(told("NAMES", text).unwrap().names, ["a b", "0042"], "{text}");
    }
    assert_eq!(told("NAMES", "[\" a\"]").unwrap().names, [" a"]);
    assert_eq!(told("NUMBERS", "").unwrap().numbers, [0; 0]);
    assert_eq!(told("NUMBERS", "7").unwrap().numbers, [7]);
    let waits = read(&[("CONTACTS__RETRY__WAITS_MS", "5, 6")]).section::<RetrySettings>("retry").unwrap();
    assert_eq!(waits.waits_ms, [5, 6]);
}

#[test]
fn a_key_of_a_map_comes_from_the_environment() {
    assert_eq!(told("MOST__IMPORT_FILE", "4").unwrap().most["import_file"], 4);
    let limits = read(&[("CONTACTS__JOBS__IMPORT_FILE_AT_MOST", "4")]);
    assert_eq!(limits.section::<BTreeMap<String, u32>>("jobs").unwrap()["import_file_at_most"], 4);
}

#[test]
fn a_value_of_the_wrong_form_is_named_with_its_variable_and_the_form_expected() {
    for (key, value, expected) in [
        ("WHOLE", "1e5", "[told] whole: expected a whole number from 0 to 4294967295, got `1e5`"),
        ("WHOLE", "", "got ``"),
        ("SHARE", "a lot", "[told] share: expected a number, got `a lot`"),
        ("YES", "maybe", "[told] yes: expected true or false, got `maybe`"),
        ("NUMBERS", "1, two", "[told] numbers: expected a whole number, 0 or more, got `two`"),
        ("NUMBERS", "[1, two]", "[told] numbers: expected a list such as [1, 2] or"),
        ("ADDRESS", "here", "[told] address: "),
        ("MOST__IMPORT_FILE", "x", "[told] most.import_file: expected a whole number"),
    ] {
        let error = told(key, value).unwrap_err().to_string();

        assert!(error.contains(expected), "{error}");
        assert!(error.contains(&format!("(set CONTACTS__TOLD__{key}, ")), "{error}");
    }
}
