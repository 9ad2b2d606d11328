//! What a search finds, how results are shown, and in which order.

use crate::common::{companies, contact, filled_with, finds, people, question, start, titles, working};
use contacts_events::ContactAddedV2;
use search_events::{FoundKind, Search, SearchKind};
use uuid::Uuid;

fn at(owner: Uuid, name: &str, company: &str, title: &str) -> ContactAddedV2 {
    ContactAddedV2 { work: working(company, title), ..contact(owner, name) }
}

#[tokio::test]
async fn people_are_found_however_their_names_are_typed() {
    let app = start().await;
    let owner = Uuid::new_v4();
    let names = [
        "Zoë Müller",
        "Jürgen Groß",
        "Øyvind Łukasiewicz",
        "Seán O’Brien",
        "Jean-Luc Picard",
        "Алёна Фёдорова",
        "Γιώργος Παπαδόπουλος",
        "山田 太郎",
        "김철수",
        "أحمد إبراهيم",
        "İpek Yıldız",
        "Nguyễn Văn An",
        "Alexander Smith",
        "Kateřina Dvořáková",
        "שרה כהן",
        "प्रिया शर्मा",
        "สมชาย ใจดี",
        "ლაშა ჯინჭარაძე",
    ];
    filled_with(&app, &names.map(|name| contact(owner, name))).await;
    let table = [
        ("zoe muller", "Zoë Müller"),
        ("mueller", "Zoë Müller"),
        ("MÜLLER ZOË", "Zoë Müller"),
        ("Mu\u{308}ller", "Zoë Müller"),
        ("juergen gross", "Jürgen Groß"),
        ("groß", "Jürgen Groß"),
        ("gros", "Jürgen Groß"),
        ("oyvind", "Øyvind Łukasiewicz"),
        ("lukasi", "Øyvind Łukasiewicz"),
        ("łukasz", "Øyvind Łukasiewicz"),
        ("obrien", "Seán O’Brien"),
        ("o'brien", "Seán O’Brien"),
        ("sean obr", "Seán O’Brien"),
        ("jean luc", "Jean-Luc Picard"),
        ("jean-luc", "Jean-Luc Picard"),
        ("pica je", "Jean-Luc Picard"),
        ("алена", "Алёна Фёдорова"),
        ("ФЕДОРОВА", "Алёна Фёдорова"),
        ("фед", "Алёна Фёдорова"),
        ("γιωργος", "Γιώργος Παπαδόπουλος"),
        ("ΠΑΠΑΔΟΠΟΥΛΟΣ", "Γιώργος Παπαδόπουλος"),
        ("παπαδ", "Γιώργος Παπαδόπουλος"),
        ("山田太郎", "山田 太郎"),
        ("太郎", "山田 太郎"),
        ("山", "山田 太郎"),
        ("김철", "김철수"),
        ("철수", "김철수"),
        ("احمد ابراهيم", "أحمد إبراهيم"),
        ("ابراه", "أحمد إبراهيم"),
        ("ipek yildiz", "İpek Yıldız"),
        ("IPEK", "İpek Yıldız"),
        ("nguyen van an", "Nguyễn Văn An"),
        ("alexnader", "Alexander Smith"),
        ("alexander smyth", "Alexander Smith"),
        ("alexnad", "Alexander Smith"),
        ("smiht alex", "Alexander Smith"),
        ("alexander james smith", "Alexander Smith"),
        ("katerina dvorakova", "Kateřina Dvořáková"),
        ("dvorkova", "Kateřina Dvořáková"),
        ("כהן", "שרה כהן"),
        ("शर्मा", "प्रिया शर्मा"),
        ("สมชาย", "สมชาย ใจดี"),
        ("ჯინჭ", "ლაშა ჯინჭარაძე"),
    ];

    for (typed, expected) in table {
        let found = people(&app, owner, typed).await;

        assert_eq!(found.first().map(String::as_str), Some(expected), "{typed}: {found:?}");
    }
    assert!(people(&app, owner, "xylophone").await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn as_typed_comes_before_beginnings_and_beginnings_before_slips() {
    let app = start().await;
    let owner = Uuid::new_v4();
    let names = ["Mark", "Anna Mark", "Mark Anders", "Marko Vidal", "Lea Markus", "Marc Tulli", "Mary Webb"];
    filled_with(&app, &names.map(|name| contact(owner, name))).await;

    let (found, again) = (people(&app, owner, "mark").await, people(&app, owner, "mark").await);

    assert_eq!(found[..5], ["Mark", "Mark Anders", "Anna Mark", "Marko Vidal", "Lea Markus"], "{found:?}");
    assert_eq!(found[5..], ["Marc Tulli", "Mary Webb"], "{found:?}");
    assert_eq!(found, again);
    app.finish().await;
}

#[tokio::test]
async fn people_are_found_by_address_number_company_and_title() {
    let app = start().await;
    let owner = Uuid::new_v4();
    let zoe = ContactAddedV2 {
        emails: vec!["zoe.mueller+x@analytical.example.org".to_owned()],
        phones: vec!["+49 (30) 90 18 20".to_owned()],
        urls: vec!["https://www.linkedin.com/in/zoe-m-1815".to_owned()],
        ..at(owner, "Zoë Müller", "Analytical Engines GmbH", "Chief Engineer")
    };
    filled_with(&app, &[zoe, at(owner, "Bob Stone", "Quarry Ltd", "Miner")]).await;
    let typed = [
        "zoe.mueller+x@analytical.example.org",
        "ZOE.MUELLER+X@",
        "analytical.example.org",
        "mueller",
        "analytical.exa",
        "+4930901820",
        "030 901820",
        "901820",
        "30 90-18",
        "linkedin.com/in/zoe-m-1815",
        "https://linkedin.com/in/zoe-m",
        "zoe-m-1815",
        "analytical engines",
        "engineer analytical",
        "zoe analytical",
        "müller engin",
        "enginer",
    ];

    for typed in typed {
        assert_eq!(people(&app, owner, typed).await, ["Zoë Müller"], "{typed}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_company_is_found_once_with_how_many_one_knows_there() {
    let app = start().await;
    let owner = Uuid::new_v4();
    let mut contacts = vec![
        at(owner, "Zoë", "Müller & Söhne GmbH", "Baker"),
        at(owner, "Ben", "MÜLLER & SÖHNE GMBH", "Baker"),
        at(owner, "Cem", "Muller Ltd", "Miller"),
        contact(owner, "Ida Müller"),
    ];
    contacts.extend((0..30).map(|number| at(owner, &format!("Worker {number}"), "Globex", "Clerk")));
    filled_with(&app, &contacts).await;

    let items = app.call(&Search { kind: Some(SearchKind::Company), ..question(owner, "globex") }).await.unwrap().items;

    assert_eq!(items.len(), 1);
    assert_eq!((items[0].title.as_str(), items[0].subtitle.as_str()), ("Globex", "30 contacts"));
    assert_eq!((items[0].contact_id, &items[0].highlight), (None, &None));
    assert_eq!(companies(&app, owner, "muller").await.len(), 2);
    assert_eq!(companies(&app, owner, "sohne mull").await.len(), 1);
    assert_eq!(companies(&app, owner, "globx").await, ["Globex"]);
    assert!(companies(&app, owner, "zoe").await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn a_note_is_found_with_the_words_around_the_match() {
    let app = start().await;
    let owner = Uuid::new_v4();
    let noted = |name: &str, notes: &str| ContactAddedV2 { notes: Some(notes.to_owned()), ..contact(owner, name) };
    let contacts = [
        noted("Zoë Müller", "Met at the fair in Zürich. Likes <b>sailing</b> & old maps."),
        noted("山田 太郎", "東京で会った。寿司が好き。"),
        contact(owner, "Fair Isle"),
    ];
    filled_with(&app, &contacts).await;
    let notes = async |typed: &str| {
        let found = app.call(&Search { kind: Some(SearchKind::Note), ..question(owner, typed) }).await.unwrap().items;
        found.into_iter().map(|note| (note.title, note.highlight.unwrap_or_default())).collect::<Vec<_>>()
    };

    let sailing = notes("sailing zurich").await;

    assert_eq!(sailing.len(), 1);
    assert_eq!(sailing[0].0, "Zoë Müller");
    assert!(sailing[0].1.contains("<em>Zürich</em>") || sailing[0].1.contains("<em>sailing</em>"), "{sailing:?}");
    assert!(notes("map").await[0].1.contains("<em>maps</em>"));
    assert!(notes("寿司").await[0].1.contains("<em>"));
    assert_eq!(notes("sailin").await.len(), 1);
    assert_eq!(notes("sialing").await.len(), 1);
    assert!(notes("sailing paris").await.is_empty());
    assert!(notes("müller").await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn without_a_kind_all_come_together_best_first() {
    let app = start().await;
    let owner = Uuid::new_v4();
    let contacts = [
        at(owner, "Ada Stone", "Acme", "Clerk"),
        contact(owner, "Acme Jones"),
        ContactAddedV2 { notes: Some("left acme last year".to_owned()), ..contact(owner, "Bob Stone") },
    ];
    filled_with(&app, &contacts).await;

    let found = finds(&app, owner, "acme").await.unwrap();

    let shown: Vec<_> = found.iter().map(|found| (found.kind, found.title.as_str(), found.subtitle.as_str())).collect();
    assert_eq!(
        shown,
        [
            (FoundKind::Company, "Acme", "1 contact"),
            (FoundKind::Person, "Acme Jones", ""),
            (FoundKind::Note, "Bob Stone", ""),
            (FoundKind::Person, "Ada Stone", "Clerk, Acme"),
        ]
    );
    assert_eq!(found[1].contact_id, Some(contacts[1].contact_id));
    assert_eq!(titles(&app, Search { limit: Some(2), ..question(owner, "acme") }).await.len(), 2);
    app.finish().await;
}

#[tokio::test]
async fn nothing_typed_finds_nothing_and_too_much_or_a_wrong_limit_is_refused() {
    let app = start().await;
    let owner = Uuid::new_v4();
    filled_with(&app, &[contact(owner, "Zoë Müller")]).await;

    let empty = [finds(&app, owner, "").await.unwrap(), finds(&app, owner, " \u{3000}\t ").await.unwrap()];
    let long = finds(&app, owner, &"z".repeat(201)).await.unwrap_err();
    let none = app.call(&Search { limit: Some(0), ..question(owner, "zoe") }).await.unwrap_err();
    let many = app.call(&Search { limit: Some(51), ..question(owner, "zoe") }).await.unwrap_err();

    assert_eq!(empty, [vec![], vec![]]);
    assert_eq!((long.status, long.errors[0].field.as_str()), (422, "text"));
    assert_eq!((none.status, none.errors[0].field.as_str()), (422, "limit"));
    assert_eq!(many.status, 422);
    assert_eq!(titles(&app, Search { limit: None, ..question(owner, "zoe") }).await, ["Zoë Müller"]);
    app.finish().await;
}
