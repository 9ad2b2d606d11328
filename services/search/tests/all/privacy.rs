//! No search finds another account's documents, and no text breaks the service.

use std::time::{Duration, Instant};

use crate::common::{contact, filled_with, question, start, working};
use contacts_events::ContactAddedV2;
use search_events::{Search, SearchKind};
use skeleton::testing::test_data;
use uuid::Uuid;

const KINDS: [Option<SearchKind>; 4] =
    [None, Some(SearchKind::Person), Some(SearchKind::Company), Some(SearchKind::Note)];

/// A contact with something in every field.
fn full(owner: Uuid, word: &str) -> ContactAddedV2 {
    ContactAddedV2 {
        work: working(format!("{word} Corporation"), format!("{word} officer")),
        notes: Some(format!("all about {word} and everything")),
        emails: vec![format!("{word}@example.org")],
        phones: vec!["+49 30 901820".to_owned()],
        urls: vec![format!("https://example.org/{word}")],
        ..contact(owner, &format!("{word} Person"))
    }
}

/// Texts with a special meaning to some part of the server.
fn attempts(victim: Uuid, secret: &ContactAddedV2) -> Vec<String> {
    let mut texts: Vec<String> = [
        "*",
        "?",
        "**",
        "* *",
        "_all",
        "_exists_:name",
        "owner_id:*",
        "name:*",
        "*:*",
        "NOT nobody",
        "a OR NOT a",
        "/.*/",
        "[* TO *]",
        "{a TO z}",
        "name:[a TO z]",
        "secret~2",
        "secr*",
        "?ecret",
        "+secret",
        "-public",
        "secret^9",
        "\"secret person\"",
        "(secret)",
        ") OR (owner_id:*",
        "public) OR (secret",
        "secret || public",
        "secret && !public",
        "{\"match_all\":{}}",
        "\"}}}, {\"match_all\": {}}",
        "{\"query\":{\"match_all\":{}}}",
        "{{owner_id}}",
        "${owner_id}",
        "ctx._source.owner_id",
        "doc['owner_id'].value",
        "params._source",
        "../search-contacts/_search",
        "%00",
        "secret\0",
        "\n{\"index\":\"*\"}\n{\"query\":{\"match_all\":{}}}\n",
        "' OR '1'='1",
        "<em>secret</em>",
        "\\",
        "\"",
        "\u{202e}terces",
        "s e c r e t",
        "ｓｅｃｒｅｔ",
        "sесrеt",
        "secret person secret corporation secret officer",
        "everything",
        "corporation",
        "901820",
        "030901820",
        "example.org",
        "secret@example.org",
        "example.org/secret",
        "all about",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.extend([
        victim.to_string(),
        victim.simple().to_string(),
        format!("owner_id:{victim}"),
        secret.contact_id.to_string(),
    ]);
    texts.extend((b'a'..=b'z').map(|letter| char::from(letter).to_string()));
    texts.extend([secret.name.full.clone(), "secret ".repeat(28), "a ".repeat(100), "*".repeat(200), "山".repeat(200)]);
    texts.extend([
        "martin-".repeat(28),
        "\u{1F600}".repeat(200),
        "a\u{300}".repeat(100),
        "9".repeat(200),
        "@".repeat(200),
    ]);
    texts
}

#[tokio::test]
async fn whatever_is_typed_only_ones_own_is_found() {
    let app = start().await;
    let (victim, curious, empty) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    let (secret, public) = (full(victim, "Secret"), full(curious, "Public"));
    filled_with(&app, &[secret.clone(), public.clone()]).await;

    for text in attempts(victim, &secret) {
        for kind in KINDS {
            let items = app
                .call(&Search { kind, ..question(curious, &text) })
                .await
                .unwrap_or_else(|problem| panic!("{text:?}: {problem}"))
                .items;
            for found in items {
                assert!(found.contact_id.is_none_or(|id| id == public.contact_id), "{text:?} found {found:?}");
                assert!(!format!("{found:?}").contains("Secret"), "{text:?} found {found:?}");
            }
        }
        for stranger in [empty, Uuid::nil(), Uuid::max(), secret.contact_id] {
            assert!(app.call(&question(stranger, &text)).await.unwrap().items.is_empty(), "{text:?}");
        }
    }
    let own = app.call(&question(victim, "secret")).await.unwrap().items;
    assert_eq!(own.len(), 3, "{own:?}");
    app.finish().await;
}

#[tokio::test]
async fn naughty_strings_are_taken_as_names_and_as_texts() {
    let Some(path) = test_data("fuzz/blns.json") else { return };
    let strings: Vec<String> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let app = start().await;
    let (owner, stranger) = (Uuid::new_v4(), Uuid::new_v4());
    let naughty = |name: &String| ContactAddedV2 {
        work: working(name, ""),
        notes: Some(name.clone()),
        emails: vec![name.clone()],
        phones: vec![name.clone()],
        urls: vec![name.clone()],
        ..contact(owner, name)
    };
    filled_with(&app, &strings.iter().map(naughty).collect::<Vec<_>>()).await;
    let (mut found, mut slowest) = (0, (Duration::ZERO, String::new()));

    for text in &strings {
        let begun = Instant::now();
        let outcome = app.call(&question(owner, text)).await;
        slowest = slowest.max((begun.elapsed(), text.clone()));
        let others = app.call(&question(stranger, text)).await;

        let too_long = text.trim().chars().count() > 200;
        match outcome {
            Ok(results) => found += usize::from(results.items.iter().any(|item| item.title == *text)),
            Err(problem) => assert!(too_long && problem.status == 422, "{text:?}: {problem}"),
        }
        assert!(too_long || others.unwrap().items.is_empty(), "{text:?}");
    }

    println!("slowest: {slowest:?}");
    println!("{found} of {} naughty names were found by themselves", strings.len());
    assert!(found * 10 >= strings.len() * 8, "{found} of {}", strings.len());
    assert_eq!(app.counts().await.parked, 0);
    app.finish().await;
}
