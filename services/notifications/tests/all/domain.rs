//! The texts and rules of notifications, without infrastructure.

use chrono::{DateTime, Utc};
use notifications::domain::{Channels, Kind, News, Preferences, in_words};
use uuid::Uuid;

fn noon() -> DateTime<Utc> {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

fn told(news: News) -> (String, String) {
    let notification = news.told_to(Uuid::nil(), Uuid::nil(), noon());
    (notification.title, notification.body)
}

fn import(added: u32, changed: u32, unchanged: u32, failed: u32) -> News {
    News::ImportFinished {
        import: Uuid::nil(),
        file: Some("Connections.csv".to_owned()),
        added,
        changed,
        unchanged,
        failed,
    }
}

#[test]
fn an_import_is_told_in_numbers_that_people_can_read() {
    let (title, body) = told(import(12_345, 1, 14, 1));

    assert_eq!(title, "Imported 12,360 contacts from Connections.csv");
    assert_eq!(
        body,
        "12,345 contacts were added, 1 was updated and 14 were already there. \
         1 entry could not be read: open the import to see which, and why."
    );
    assert_eq!(told(import(1, 0, 0, 0)).1, "1 contact was added.");
    assert_eq!(told(import(0, 0, 0, 0)).1, "No contacts were imported.");
    assert_eq!(told(import(1_000_000, 2, 0, 0)).1, "1,000,000 contacts were added and 2 were updated.");
}

#[test]
fn an_import_without_a_file_name_has_a_title_all_the_same() {
    let failed =
        News::ImportFailed { import: Uuid::nil(), file: None, reason: "this is not a contacts file".to_owned() };

    assert_eq!(
        told(failed),
        ("Your contacts could not be imported".to_owned(), "This is not a contacts file.".to_owned())
    );
}

#[test]
fn a_title_is_one_line_whatever_a_name_holds() {
    let name = format!("Zoë\r\nBcc: all@example.org {}", "ë".repeat(500));

    let (title, _) = told(News::ContactJoined { contact: Uuid::nil(), name });

    assert!(!title.chars().any(char::is_control));
    assert!(title.chars().count() <= 120 && title.starts_with("Zoë") && title.ends_with('…'));
}

#[test]
fn a_contact_without_a_name_is_someone_you_know() {
    assert_eq!(
        told(News::ContactJoined { contact: Uuid::nil(), name: " ".to_owned() }).0,
        "Someone you know has joined Kith"
    );
}

#[test]
fn a_new_device_is_told_with_its_time() {
    let device = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned();

    let (_, body) = told(News::NewDevice { session: Uuid::nil(), device, at: noon() });

    assert_eq!(
        body,
        "Someone signed in with your password from Firefox on Linux on 1 November 2026 at 12:00 UTC. \
         If this wasn't you, change your password now."
    );
}

#[test]
fn devices_are_named_as_people_name_them() {
    let chrome = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
    assert_eq!(in_words(&format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {chrome}")), "Chrome on Windows");
    assert_eq!(in_words(&format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {chrome} Edg/130.0")), "Edge on Windows");
    assert_eq!(in_words(&format!("Mozilla/5.0 (Linux; Android 14) {chrome}")), "Chrome on Android");
    let safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1";
    assert_eq!(in_words(safari), "Safari on an iPhone");
    assert_eq!(in_words("curl/8.5"), "curl/8.5");
    assert_eq!(in_words("unknown"), "an unknown device");
}

#[test]
fn what_nobody_has_chosen_takes_the_default_channels() {
    let quiet = Channels { in_app: false, email: false };
    let preferences = Preferences(vec![(Kind::NewDevice, quiet)]);

    assert_eq!(preferences.channels_of(Kind::NewDevice), quiet);
    assert_eq!(preferences.channels_of(Kind::ContactJoined), Channels { in_app: true, email: true });
    assert_eq!(preferences.channels_of(Kind::ImportFinished), Channels { in_app: true, email: false });
}

#[test]
fn every_kind_has_a_name_of_its_own() {
    assert!(Kind::ALL.into_iter().all(|kind| Kind::find(kind.as_str()) == Some(kind)));
    assert_eq!(Kind::find("import"), None);
}
