//! Services with a read model get every contact in its present state, with its sequence and a checksum. Other services
//! are refused.

use crate::book::app;
use contacts_events::{AddContact, ChangeContact, ListContactSnapshots, SumContacts};
use skeleton::{Postgres, RequestOptions, Requests, rebuild::Sum, testing::TestApp};
use uuid::Uuid;

async fn keeper(app: &TestApp<Postgres>) -> Requests {
    app.world().requests_of("search", &["contacts"]).await
}

fn page(after: Option<Uuid>) -> ListContactSnapshots {
    ListContactSnapshots { within: String::new(), after, limit: Some(2) }
}

async fn added(app: &TestApp<Postgres>, name: &str) -> Uuid {
    let contact =
        AddContact { account_id: Uuid::new_v4(), name: name.to_owned(), ..contacts_events::samples::add_contact() };
    app.call(&contact).await.unwrap().contact_id
}

#[tokio::test]
async fn every_contact_is_told_once_with_the_number_of_its_newest_event_and_the_sum_fits() {
    let app = app().await;
    let keeper = keeper(&app).await;
    let mut expected = Vec::new();
    for name in ["Ada", "Bob", "Cyd", "Dee", "Eve"] {
        expected.push((added(&app, name).await, 1, name.to_owned()));
    }
    let first = ask_page(&keeper, None).await.0;
    let owner = first[0].1;
    let change = ChangeContact {
        account_id: owner,
        contact_id: first[0].0,
        name: Some("Zed".to_owned()),
        given_name: None,
        family_name: None,
        emails: None,
        phones: None,
        company: None,
        title: None,
        notes: None,
        urls: None,
    };
    app.call(&change).await.unwrap();
    for known in expected.iter_mut().filter(|known| known.0 == change.contact_id) {
        (known.1, known.2) = (2, "Zed".to_owned());
    }
    expected.sort();

    let (mut told, mut after) = (Vec::new(), None);
    loop {
        let (contacts, next) = ask_page(&keeper, after).await;
        told.extend(contacts.into_iter().map(|(id, _, sequence, name)| (id, sequence, name)));
        after = next;
        if after.is_none() {
            break;
        }
    }
    let sum = keeper.call(&SumContacts { within: String::new() }, RequestOptions::default()).await.unwrap();

    assert_eq!(told, expected);
    let here = Sum::of(told.iter().map(|(id, sequence, _)| (*id, *sequence)));
    assert_eq!((sum.count, sum.checksum), (here.count, here.checksum));
    app.finish().await;
}

async fn ask_page(keeper: &Requests, after: Option<Uuid>) -> (Vec<(Uuid, Uuid, i64, String)>, Option<Uuid>) {
    let told = keeper.call(&page(after), RequestOptions::default()).await.unwrap();
    let contacts = told.contacts.into_iter();
    (contacts.map(|c| (c.contact_id, c.owner_id, c.sequence, c.name.full)).collect(), told.next)
}

#[tokio::test]
async fn a_slice_has_the_contacts_whose_ids_begin_so_and_their_sum() {
    let app = app().await;
    let keeper = keeper(&app).await;
    let contact = added(&app, "Ada").await;
    let digit = contact.to_string().chars().next().unwrap();
    let other = if digit == '0' { '1' } else { '0' };

    let within = SumContacts { within: contact.to_string()[..8].to_owned() };
    let found = keeper.call(&within, RequestOptions::default()).await.unwrap();
    let without = keeper.call(&SumContacts { within: other.to_string() }, RequestOptions::default()).await.unwrap();
    let wrong = keeper.call(&SumContacts { within: "xyz".to_owned() }, RequestOptions::default()).await.unwrap_err();

    assert_eq!((found.count, without.count), (1, 0));
    assert_eq!(without.checksum, "0000000000000000");
    assert_eq!(wrong.status, 422);
    app.finish().await;
}

#[tokio::test]
async fn who_keeps_no_copy_is_told_nothing_and_who_keeps_one_may_do_nothing_else() {
    let app = app().await;
    let keeper = keeper(&app).await;

    let gateway = app.call(&page(None)).await.unwrap_err();
    let adding = keeper.call(&contacts_events::samples::add_contact(), RequestOptions::default()).await.unwrap_err();

    assert_eq!((gateway.status, gateway.kind.as_str()), (403, "urn:kith:problem:not-for-you"));
    assert_eq!(adding.status, 403);
    app.finish().await;
}
