//! Wrong settings: all are reported, each with its range, its variable and what is valid.

use super::*;

fn errors<T: serde::de::DeserializeOwned>(section: &str, variables: &[(&str, &str)]) -> Vec<String> {
    read(variables).section::<T>(section).map(|_| ()).unwrap_err().errors
}

#[test]
fn a_value_out_of_range_is_refused_with_the_range() {
    for (key, value) in
        [("PREFETCH", "0"), ("BATCH", "0"), ("PARTITIONS", "0"), ("WINDOW", "-1"), ("CONFIRM_TIMEOUT_MS", "0")]
    {
        let errors = errors::<BrokerSettings>("broker", &[(&format!("CONTACTS__BROKER__{key}"), value)]);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(
            errors[0].contains(&format!("must be 1 or more, got {value} (set CONTACTS__BROKER__{key}, ")),
            "{errors:?}"
        );
    }
    for value in ["5", "-0.1", "nan"] {
        let error = &errors::<RetrySettings>("retry", &[("CONTACTS__RETRY__JITTER", value)])[0];
        assert!(error.starts_with("[retry] jitter: must be a fraction from 0 to 1, got"), "{error}");
        let error = &errors::<RetryOverrides>("retry_jobs", &[("CONTACTS__RETRY_JOBS__JITTER", value)])[0];
        assert!(error.starts_with("[retry_jobs] jitter: must be a fraction from 0 to 1, got"), "{error}");
    }
    let error = &errors::<LogSettings>("log", &[("CONTACTS__LOG__FILTER", "nonsense=loud")])[0];
    assert!(error.contains("`nonsense=loud` is not a log filter such as"), "{error}");
    assert_eq!(read(&[]).section::<RetryOverrides>("retry_jobs").unwrap().jitter, None);
}

#[test]
fn every_error_of_a_section_is_reported_at_once() {
    let errors = errors::<BrokerSettings>(
        "broker",
        &[
            ("CONTACTS__BROKER__BATCH", "0"),
            ("CONTACTS__BROKER__PARTITIONS", "many"),
            ("CONTACTS__BROKER__PREFECH", "5"),
            ("CONTACTS__BROKER__WINDOW", "0"),
        ],
    );

    let expected =
        ["[broker] batch: must be", "[broker] partitions: expected", "unknown key `prefech`", "[broker] window:"];
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for (error, expected) in errors.iter().zip(expected) {
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn an_unknown_name_comes_with_the_valid_ones_and_the_one_that_was_meant() {
    let error = &errors::<BrokerSettings>("broker", &[("CONTACTS__BROKER__PREFECH", "5")])[0];
    assert!(error.contains("unknown key `prefech`, did you mean `prefetch`?; the keys are url, password,"), "{error}");
    assert!(error.contains("(remove CONTACTS__BROKER__PREFECH, "), "{error}");

    let mut settings = read(&[("CONTACTS__STROE__URL", "x"), ("CONTACTS__BOGUS", "8")]);
    for name in ["broker", "store", "retry", "requests", "admin", "life", "log"] {
        settings.expect::<serde::de::IgnoredAny>(name, &mut Vec::new());
    }
    let unknown = settings.unknown_sections();

    assert_eq!(unknown.len(), 2, "{unknown:?}");
    assert!(
        unknown[0].starts_with("[bogus] is not a section of this service; the sections are admin, broker,"),
        "{unknown:?}"
    );
    assert!(unknown[1].contains(", did you mean `store`?") && unknown[1].contains("CONTACTS__STROE__"), "{unknown:?}");
}

#[test]
fn a_variable_with_one_underscore_after_the_name_of_the_service_is_reported() {
    let unknown = |variable: &str| {
        let mut settings = read(&[(variable, "x")]);
        settings.expect::<serde::de::IgnoredAny>("broker", &mut Vec::new());
        settings.unknown_sections().into_iter().filter(|text| text.contains(variable)).collect::<Vec<_>>()
    };

    let error = unknown("CONTACTS_BROKER__URL");

    assert_eq!(error, ["[broker] CONTACTS_BROKER__URL is not a setting: did you mean CONTACTS__BROKER__URL?"]);
    // Of Kubernetes, of other programs, and of a service named contacts_import.
    for other in
        ["CONTACTS_SERVICE_HOST", "CONTACTS_PORT_8080_TCP", "CONTACTSBOOK_A__B", "CONTACTS_IMPORT__BROKER__URL"]
    {
        assert_eq!(unknown(other), Vec::<String>::new());
    }
}

#[test]
fn a_secret_that_is_set_twice_or_missing_is_reported() {
    let path = std::env::temp_dir().join(format!("twice-{}", std::process::id()));
    std::fs::write(&path, "secret").unwrap();
    let file = path.to_str().unwrap();
    let variables = [("CONTACTS__BROKER__PASSWORD", "a"), ("CONTACTS__BROKER__PASSWORD_FILE", file)];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let twice = Settings::read_with("contacts", "", variables.into_iter().collect()).unwrap_err().to_string();
    std::fs::remove_file(&path).unwrap();

    #[derive(Debug, Deserialize)]
    struct Signing {
        #[allow(dead_code, reason = "only read")]
        signing_key: Secret,
    }
    let missing = &errors::<Signing>("tokens", &[])[0];

    assert!(twice.contains("[broker] password and password_file are both set: remove one"), "{twice}");
    assert!(missing.contains("missing key `signing_key` (set CONTACTS__TOKENS__SIGNING_KEY_FILE "), "{missing}");
}
