//! Values in files of their own.

use std::{env, fs};

use super::read;
use crate::config::BrokerSettings;

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
