//! Files become contacts, and importing the same file again changes nothing.

use std::fmt::Write;

use crate::book::{app, book, import};
use contacts_events::{
    ContactAddedV2, ContactChangedV2, ImportFailed, ImportFinished, ImportProgressed, ImportViewStatus,
};
use skeleton::testing::test_data;
use uuid::Uuid;

fn vcards(people: &[(&str, &str)]) -> Vec<u8> {
    let mut text = String::new();
    for (name, email) in people {
        writeln!(text, "BEGIN:VCARD\nVERSION:3.0\nFN:{name}\nEMAIL:{email}\nEND:VCARD").unwrap();
    }
    text.into_bytes()
}

#[tokio::test]
async fn a_file_comes_in_and_the_same_file_again_changes_nothing() {
    let app = app().await;
    let account = Uuid::new_v4();
    let file = vcards(&[("Zoë Müller", "zoe@example.org"), ("Ada Lovelace", "ada@example.org")]);

    let first = import(&app, account, "friends.vcf", &file).await;
    let second = import(&app, account, "friends.vcf", &file).await;

    assert_eq!((first.total, first.added, first.changed, first.unchanged, first.failed), (2, 2, 0, 0, 0));
    assert_eq!((second.total, second.added, second.changed, second.unchanged, second.failed), (2, 0, 0, 2, 0));
    assert_eq!(first.format.as_deref(), Some("vcard"));
    let names: Vec<_> = book(&app, account).await.into_iter().map(|contact| contact.name).collect();
    assert_eq!(names, ["Ada Lovelace", "Zoë Müller"]);
    assert_eq!(app.published::<ContactAddedV2>().await.len(), 2);
    assert!(app.published::<ContactChangedV2>().await.is_empty());
    app.published_once::<ImportFinished>(|event| event.import_id == first.import_id && event.added == 2).await;
    app.finish().await;
}

#[tokio::test]
async fn a_bad_card_is_reported_with_its_line_and_the_rest_goes_in() {
    let app = app().await;
    let mut file = vcards(&[("Zoë Müller", "zoe@example.org")]);
    file.extend(b"BEGIN:VCARD\nVERSION:3.0\nN:;;;;\nEND:VCARD\n");
    file.extend(vcards(&[("Ada Lovelace", "ada@example.org")]));

    let done = import(&app, Uuid::new_v4(), "friends.vcf", &file).await;

    assert_eq!((done.total, done.added, done.failed), (3, 2, 1));
    assert_eq!(done.problems[0].line, 6);
    app.finish().await;
}

#[tokio::test]
async fn a_large_file_comes_in_stretch_by_stretch_with_progress() {
    let app = app().await;
    let account = Uuid::new_v4();
    let people: Vec<_> = (0..95).map(|n| (format!("Person {n:03}"), format!("p{n}@example.org"))).collect();
    let people: Vec<_> = people.iter().map(|(name, email)| (name.as_str(), email.as_str())).collect();

    let done = import(&app, account, "many.vcf", &vcards(&people)).await;

    assert_eq!((done.total, done.added), (95, 95));
    assert_eq!(book(&app, account).await.len(), 95);
    let progress = app.published::<ImportProgressed>().await;
    assert_eq!(progress.iter().map(|event| event.added).collect::<Vec<_>>(), [20, 40, 60, 80]);
    app.finish().await;
}

#[tokio::test]
async fn a_file_that_is_none_is_refused_with_what_to_do() {
    let app = app().await;

    let refused = import(&app, Uuid::new_v4(), "holiday.jpg", &[0xff, 0xd8, 0xff, 0xe0, 0, 16]).await;

    assert_eq!(refused.status, ImportViewStatus::Failed);
    assert!(refused.error.as_ref().unwrap().contains("vCard"), "{:?}", refused.error);
    app.published_once::<ImportFailed>(|event| event.import_id == refused.import_id).await;
    app.finish().await;
}

/// Imports every real file and prints the result.
#[tokio::test]
async fn real_files_of_other_programs_come_in_whole() {
    let app = app().await;
    println!("{:<55} {:>6} {:>8} {:>8}", "file", "cards", "imported", "problems");
    for folder in ["contacts-csv", "vcard"] {
        let Some(folder) = test_data(folder) else { return app.finish().await };
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.retain(|path| {
            ["csv", "vcf", "vcard", "ldif"].iter().any(|end| path.extension().is_some_and(|given| given == *end))
        });
        files.sort();
        for path in files {
            let account = Uuid::new_v4();
            let name = path.file_name().unwrap().to_str().unwrap();
            let file = std::fs::read(&path).unwrap();

            let done = import(&app, account, name, &file).await;

            let imported = done.added + done.changed;
            println!("{name:<55} {:>6} {imported:>8} {:>8}", done.total, done.problems.len());
            let has_end = done.status == ImportViewStatus::Finished || done.error.is_some();
            assert!(has_end, "{name}: {done:?}");
            assert_eq!(done.total, imported + done.unchanged + done.failed, "{name}: a card is lost");
            assert_eq!(book(&app, account).await.len() as u32, done.added, "{name}");
            let again = import(&app, account, name, &file).await;
            assert_eq!((again.added, again.changed), (0, 0), "{name}: the same file again changed something");
        }
    }
    app.finish().await;
}
