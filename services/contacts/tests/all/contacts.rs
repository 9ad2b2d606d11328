//! Requests about contacts succeed, fail, and never reveal another account's contacts.

use crate::book::{app, book, import};
use contacts_events::{
    AccountDataErased, AddContact, ChangeContact, ContactAddedV2, ContactChangedV2, ContactRemoved, ExportContacts,
    GetContact, ListContacts, RemoveContact, StartImport, SubmitImport, Texts,
};
use network_events::IdentityLinked;
use skeleton::RequestOptions;
use uuid::Uuid;

fn zoe(account: Uuid) -> AddContact {
    AddContact { account_id: account, name: "Zoë Müller".to_owned(), ..contacts_events::samples::add_contact() }
}

#[tokio::test]
async fn a_contact_is_added_once_even_if_asked_twice() {
    let app = app().await;
    let account = Uuid::new_v4();
    let asking = RequestOptions { id: Some(Uuid::new_v4()), ..RequestOptions::default() };

    let first = app.call_with(&zoe(account), asking).await.unwrap();
    let second = app.call_with(&zoe(account), asking).await.unwrap();

    assert_eq!(first, second);
    app.published_once::<ContactAddedV2>(|event| event.owner_id == account).await;
    let again = app.call(&zoe(account)).await.unwrap_err();
    assert_eq!((again.status, again.kind.as_str()), (409, "urn:kith:problem:contact-exists"));
    app.finish().await;
}

#[tokio::test]
async fn of_equal_contacts_that_are_added_at_once_one_is_added_and_the_others_are_refused() {
    let app = app().await;
    let account = Uuid::new_v4();

    let asked = zoe(account);
    let all = futures::future::join_all((0..8).map(|_| app.call(&asked))).await;

    let refused: Vec<_> = all.iter().filter_map(|one| one.as_ref().err().map(|problem| problem.status)).collect();
    assert_eq!(refused, [409; 7]);
    app.published_once::<ContactAddedV2>(|event| event.owner_id == account).await;
    app.finish().await;
}

#[tokio::test]
async fn a_contact_is_changed_and_removed_by_its_owner_alone() {
    let app = app().await;
    let (owner, stranger) = (Uuid::new_v4(), Uuid::new_v4());
    let contact = app.call(&zoe(owner)).await.unwrap().contact_id;
    let change = |account_id| ChangeContact {
        contact_id: contact,
        account_id,
        emails: Some(Texts(vec!["Zoe@Example.ORG".to_owned()])),
        ..contacts_events::samples::change_contact()
    };

    assert_eq!(app.call(&change(stranger)).await.unwrap_err().status, 404);
    assert_eq!(app.call(&RemoveContact { contact_id: contact, account_id: stranger }).await.unwrap_err().status, 404);
    assert_eq!(app.call(&GetContact { contact_id: contact, account_id: stranger }).await.unwrap_err().status, 404);

    let changed = app.call(&change(owner)).await.unwrap();
    assert_eq!(
        (changed.emails, changed.notes.as_deref()),
        (vec!["zoe@example.org".to_owned()], Some("moved to Berlin"))
    );
    app.published_once::<ContactChangedV2>(|event| event.contact_id == contact).await;
    app.call(&RemoveContact { contact_id: contact, account_id: owner }).await.unwrap();
    app.published_once::<ContactRemoved>(|event| event.contact_id == contact).await;
    assert_eq!(app.call(&GetContact { contact_id: contact, account_id: owner }).await.unwrap_err().status, 404);
    app.finish().await;
}

#[tokio::test]
async fn a_wrong_body_is_refused_with_its_field() {
    let app = app().await;
    let nameless = AddContact { name: " ".to_owned(), ..zoe(Uuid::new_v4()) };
    let malformed = AddContact { emails: vec!["zoe".to_owned()], ..zoe(Uuid::new_v4()) };

    for (asked, field) in [(nameless, "name"), (malformed, "emails")] {
        let problem = app.call(&asked).await.unwrap_err();
        assert_eq!((problem.status, problem.errors[0].field.as_str()), (422, field));
    }
    let limit = app.call(&ListContacts { account_id: Uuid::new_v4(), cursor: None, limit: Some(0) }).await.unwrap_err();
    assert_eq!(limit.status, 422);
    let cursor = ListContacts { account_id: Uuid::new_v4(), cursor: Some("?".to_owned()), limit: None };
    assert_eq!(app.call(&cursor).await.unwrap_err().status, 422);
    app.finish().await;
}

#[tokio::test]
async fn an_export_comes_back_as_the_same_contacts() {
    let app = app().await;
    let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
    app.call(&AddContact { notes: Some("two\nlines; and, signs".to_owned()), ..zoe(one) }).await.unwrap();
    app.call(&AddContact { name: "李 明".to_owned(), emails: Vec::new(), ..zoe(one) }).await.unwrap();

    let export = app.call(&ExportContacts { account_id: one, cursor: None }).await.unwrap();
    let done = import(&app, other, "kith.vcf", export.vcards.as_bytes()).await;

    assert_eq!((done.added, done.failed, export.next_cursor), (2, 0, None));
    let details = |contacts: Vec<contacts_events::ContactView>| {
        contacts.into_iter().map(|contact| (contact.name, contact.emails, contact.notes)).collect::<Vec<_>>()
    };
    assert_eq!(details(book(&app, one).await), details(book(&app, other).await));
    app.finish().await;
}

#[tokio::test]
async fn the_newest_word_on_who_a_contact_is_counts() {
    let app = app().await;
    let account = Uuid::new_v4();
    let contact = app.call(&zoe(account)).await.unwrap().contact_id;
    let linked = |person_id| IdentityLinked {
        contact_id: contact,
        owner_id: account,
        person_id,
        ..network_events::samples::identity_linked()
    };
    let (first, second) = (Uuid::new_v4(), Uuid::new_v4());

    app.receives_as(&linked(second), 2).await;
    app.receives_as(&linked(first), 1).await;

    let seen = app.call(&GetContact { contact_id: contact, account_id: account }).await.unwrap();
    assert_eq!(seen.person_id, Some(second));
    app.finish().await;
}

#[tokio::test]
async fn an_erased_account_leaves_nothing_and_takes_nothing_more() {
    let app = app().await;
    let account = Uuid::new_v4();
    app.call(&zoe(account)).await.unwrap();
    let erased = accounts_events::Erased { account_id: account, ..accounts_events::samples::erased() };
    let envelope = app.world().envelope_for(&erased);

    app.receives_in(&erased, &envelope).await;
    app.receives_in(&erased, &envelope).await;

    let confirmed = app.published_once::<AccountDataErased>(|_| true).await;
    assert_eq!((confirmed.account_id, confirmed.removed), (account, 1));
    app.receives(&erased).await;
    let removed: Vec<u64> = app.published::<AccountDataErased>().await.iter().map(|event| event.removed).collect();
    assert_eq!(removed, [1, 0], "a repeated erasure is confirmed again");
    assert!(book(&app, account).await.is_empty());
    assert_eq!(app.call(&zoe(account)).await.unwrap_err().status, 404);
    let start = StartImport { account_id: account, file_name: None, size: None };
    assert_eq!(app.call(&start).await.unwrap_err().status, 404);
    app.finish().await;
}

#[tokio::test]
async fn what_is_added_while_the_account_is_erased_is_erased_as_well() {
    let app = app().await;
    let account = Uuid::new_v4();
    let erased = accounts_events::Erased { account_id: account, ..accounts_events::samples::erased() };

    let orders: Vec<_> = (0..40).map(|_| zoe(account)).collect();
    let adding = futures::future::join_all(orders.iter().map(|order| app.call(order)));
    let (added, _) = tokio::join!(adding, app.receives(&erased));

    assert!(book(&app, account).await.is_empty(), "{} were added before", added.iter().filter(|it| it.is_ok()).count());
    app.finish().await;
}

#[tokio::test]
async fn a_file_is_read_only_when_all_of_it_has_come() {
    let app = app().await;
    let account = Uuid::new_v4();
    let started = app.call(&StartImport { account_id: account, file_name: None, size: None }).await.unwrap();

    let early =
        app.call(&SubmitImport { account_id: account, import_id: started.import_id, parts: 2 }).await.unwrap_err();
    let foreign = app
        .call(&SubmitImport { account_id: Uuid::new_v4(), import_id: started.import_id, parts: 0 })
        .await
        .unwrap_err();

    assert_eq!((early.status, foreign.status), (409, 404));
    app.finish().await;
}
