//! Values in files of their own.

use std::{env, fs};

use super::read;
use crate::config::{BrokerSettings, Settings};

#[test]
fn a_secret_comes_from_a_file_and_is_never_shown() {
    let path = env::temp_dir().join(format!("secret-{}", std::process::id()));
    fs::write(&path, "hunter2\n").unwrap();

    let settings = read(&[("CONTACTS__BROKER__PASSWORD_FILE", path.to_str().unwrap())]);

    assert_eq!(settings.section::<BrokerSettings>("broker").unwrap().password.reveal(), "hunter2");
    assert!(!settings.to_text().contains("hunter2"));
    fs::remove_file(path).unwrap();
}

#[test]
fn an_error_in_a_file_does_not_quote_the_file() {
    let path = env::temp_dir().join(format!("broken-{}.toml", std::process::id()));
    fs::write(&path, "[broker]\npassword = \"hunter2\n").unwrap();
    let variables = [("CONTACTS_CONFIG".to_owned(), path.to_str().unwrap().to_owned())].into_iter().collect();

    let error = Settings::read_with("contacts", "", variables).unwrap_err().to_string();

    assert!(error.contains("line 2") && error.contains(path.to_str().unwrap()), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    fs::remove_file(path).unwrap();
}

#[test]
fn a_secret_file_loses_one_line_end_and_nothing_else() {
    for (held, secret) in [("0042\n", "0042"), (" a \r\n", " a "), ("a\n\n", "a\n"), ("1e5", "1e5"), ("[1]\t", "[1]\t")]
    {
        let path = env::temp_dir().join(format!("held-{}", std::process::id()));
        fs::write(&path, held).unwrap();

        let settings = read(&[("CONTACTS__BROKER__PASSWORD_FILE", path.to_str().unwrap())]);

        assert_eq!(settings.section::<BrokerSettings>("broker").unwrap().password.reveal(), secret);
        fs::remove_file(path).unwrap();
    }
}
