//! The rules of accounts, sessions and throttling, without infrastructure.

use accounts::domain::{
    Account, AccountRefusal, Changes, Confirmed, Device, Email, Erasure, Failures, KnownToken, Name, Password,
    RefreshRules, Reminders, Throttle, Verdict,
};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

fn noon() -> DateTime<Utc> {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

const RULES: RefreshRules = RefreshRules { lifetime: TimeDelta::days(30), grace: TimeDelta::seconds(10) };

#[test]
fn an_address_is_taken_lowercase_and_without_spaces_around_it() {
    assert_eq!(Email::parse(" Ada.L+kith@Example.ORG ").unwrap().as_str(), "ada.l+kith@example.org");
    assert_eq!(Email::parse("zoë@müller.example").unwrap().as_str(), "zoë@müller.example");
}

#[test]
fn what_mail_cannot_be_sent_to_is_no_address() {
    let long = format!("{}@example.org", "a".repeat(65));
    for text in [
        "",
        "ada",
        "@example.org",
        "ada@",
        "ada@localhost",
        "a b@example.org",
        "ada@ex ample.org",
        "ada@example..org",
        "ada@-example.org",
        "a@b@example.org",
        "ada\n@example.org",
        "ada\0@example.org",
        "<ada@example.org>",
        ".ada@example.org",
        &long,
    ] {
        assert_eq!(Email::parse(text), Err(AccountRefusal::Email), "{text:?}");
    }
}

#[test]
fn a_name_has_one_to_a_hundred_characters_that_can_be_shown() {
    assert_eq!(Name::parse("  Zoë 山田  ").unwrap().as_str(), "Zoë 山田");
    assert!(Name::parse(&"ë".repeat(100)).is_ok());
    for text in ["", "   ", "Ada\0", "Ada\nLovelace", &"a".repeat(101)] {
        assert_eq!(Name::parse(text), Err(AccountRefusal::Name), "{text:?}");
    }
}

#[test]
fn a_password_has_twelve_to_128_characters_and_is_never_shown() {
    assert!(Password::parse("a".repeat(11)).is_err());
    assert!(Password::parse("a".repeat(129)).is_err());
    assert!(Password::parse("ë".repeat(128)).is_ok());
    assert_eq!(format!("{:?}", Password::parse("correct horse".to_owned()).unwrap()), "(hidden)");
}

#[test]
fn a_change_leaves_what_it_does_not_name() {
    let ada = Account {
        id: Uuid::nil(),
        email: Email::parse("ada@example.org").unwrap(),
        name: Name::parse("Ada").unwrap(),
        discoverable: false,
        nameable: true,
        created_at: noon(),
    };

    let changed = ada.clone().with(Changes { discoverable: Some(true), ..Changes::default() });

    assert_eq!(changed, Account { discoverable: true, ..ada });
}

#[test]
fn a_device_is_cut_to_what_can_be_kept() {
    assert_eq!(Device::new("curl/8.5\0\n").as_str(), "curl/8.5");
    assert_eq!(Device::new(" ").as_str(), "unknown");
    assert_eq!(Device::new(&"ë".repeat(500)).as_str().chars().count(), 200);
}

fn token() -> KnownToken {
    KnownToken { issued_at: noon(), replaced_at: None, successor_is_newest: false }
}

#[test]
fn the_newest_token_is_good_for_thirty_days() {
    assert_eq!(token().judge(&RULES, noon() + TimeDelta::days(30)), Verdict::Newest);
    assert_eq!(token().judge(&RULES, noon() + TimeDelta::days(31)), Verdict::Expired);
}

#[test]
fn a_replaced_token_is_forgiven_for_ten_seconds_and_only_until_its_successor_is_used() {
    let replaced = KnownToken { replaced_at: Some(noon()), successor_is_newest: true, ..token() };
    let passed_on = KnownToken { successor_is_newest: false, ..replaced.clone() };

    assert_eq!(replaced.judge(&RULES, noon() + TimeDelta::seconds(10)), Verdict::JustReplaced);
    assert_eq!(replaced.judge(&RULES, noon() + TimeDelta::seconds(11)), Verdict::Reused);
    assert_eq!(passed_on.judge(&RULES, noon()), Verdict::Reused);
}

#[test]
fn an_address_with_too_many_failures_waits_for_its_window_to_end() {
    let throttle = Throttle::new(10, 900);
    let failures = |count| Failures { count, since: noon() };

    assert!(throttle.check(failures(9), noon()).is_ok());
    let problem = throttle.check(failures(10), noon() + TimeDelta::seconds(600)).unwrap_err();
    assert_eq!((problem.status, problem.retry_after), (429, Some(301)));
    assert!(throttle.check(failures(10), noon() + TimeDelta::seconds(900)).is_ok());
}

#[test]
fn an_erasure_ends_with_the_last_confirmation_and_each_counts_once() {
    let mut erasure = Erasure::begin(Uuid::nil(), noon());
    let confirmed = Confirmed { erased_at: noon(), removed: 3 };

    let parts: Vec<_> = erasure.parts().map(|(part, _)| part).collect();
    assert!(parts.len() > 1);
    for part in parts {
        assert!(!erasure.finish(noon()), "before {part:?}");
        assert!(erasure.confirm(part, confirmed));
        assert!(!erasure.confirm(part, Confirmed { removed: 0, ..confirmed }), "{part:?} twice");
    }

    assert!(erasure.finish(noon()));
    assert_eq!(erasure.finished_at, Some(noon()));
    assert!(erasure.parts().all(|(_, seen)| seen == Some(confirmed)));
}

#[test]
fn the_last_wait_for_confirmations_holds_from_then_on() {
    let reminders = |waits: &str| serde_json::from_str::<Reminders>(&format!(r#"{{ "remind_after_ms": {waits} }}"#));
    let waits = Reminders::try_new(reminders("[60000, 600000]").unwrap()).unwrap();

    let due: Vec<i64> = (0..4).map(|times| (waits.due(times, noon()) - noon()).num_minutes()).collect();

    assert_eq!(due, [1, 10, 10, 10]);
    assert!(Reminders::try_new(reminders("[]").unwrap()).is_err());
    assert!(Reminders::try_new(reminders("[1, 0]").unwrap()).is_err());
}
