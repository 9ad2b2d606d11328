//! The address book, the network, search and notifications, as forwarded from the services.

use contacts_events::AddContact;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::gateway::{Gateway, Heard, Member, contacts_of, network, notifications, search, told};

#[tokio::test]
async fn another_accounts_contact_is_not_there_whatever_is_asked() {
    let gateway = Gateway::start().await;
    let (owner, stranger) = (Member::new(), Member::new());
    gateway.app.answered_by("contacts", contacts_of(owner.account_id, Heard::default())).await;
    let path = format!("/api/v1/contacts/{}", Uuid::new_v4());

    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        let own = gateway.order(&owner, method.clone(), &path, &json!({})).await;
        let foreign = gateway.order(&stranger, method.clone(), &path, &json!({})).await;

        assert!([200, 204].contains(&own.0), "{method}: {own:?}");
        assert_eq!((foreign.0, &foreign.1["type"]), (404, &json!("urn:kith:problem:not-found")), "{method}");
    }
    gateway.app.finish().await;
}

#[tokio::test]
async fn a_contact_is_added_for_the_caller_and_shown_with_all_its_fields() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let heard = Heard::<AddContact>::default();
    gateway.app.answered_by("contacts", contacts_of(member.account_id, heard.clone())).await;
    let contact = json!({ "name": "Zoë Müller", "emails": ["zoe@example.org"], "company": null, "urls": null });

    let (status, shown) = gateway.order(&member, Method::POST, "/api/v1/contacts", &contact).await;
    let foreign = json!({ "name": "Zoë Müller", "owner_id": Uuid::new_v4() });
    let refused = gateway.order(&member, Method::POST, "/api/v1/contacts", &foreign).await;

    assert_eq!((status, &shown["name"]), (201, &json!("Zoë Müller")));
    assert!(shown.get("owner_id").is_none());
    assert_eq!((refused.0, &refused.1["errors"][0]["field"]), (422, &json!("owner_id")));
    let asked: Vec<_> = heard.lock().unwrap().drain(..).collect();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].account_id, member.account_id);
    assert_eq!(asked[0].emails, ["zoe@example.org"]);
    gateway.app.finish().await;
}

#[tokio::test]
async fn pages_have_a_length_from_1_to_200() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    gateway.app.answered_by("contacts", contacts_of(member.account_id, Heard::default())).await;

    for wrong in ["0", "201", "-1", "many", "1e2"] {
        let answer = told(gateway.get(&member, &format!("/api/v1/contacts?limit={wrong}")).await).await;
        assert_eq!((answer.0, &answer.1["errors"][0]["field"]), (422, &json!("limit")), "{wrong}");
    }
    let (status, page) = told(gateway.get(&member, "/api/v1/contacts?limit=200&cursor=abc&other=1").await).await;
    assert_eq!((status, &page["next_cursor"]), (200, &json!("eyJuIjoiem9lIn0")));
    assert_eq!(page["items"][0]["person_id"], "e3a1c7aa-0c5d-4d3b-8f43-9a5b0c1d2e3f");
    gateway.app.finish().await;
}

#[tokio::test]
async fn an_export_is_every_stretch_in_one_file() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    gateway.app.answered_by("contacts", contacts_of(member.account_id, Heard::default())).await;

    let response = gateway.get(&member, "/api/v1/contacts/export").await;

    assert_eq!(response.headers()["content-type"], "text/vcard; charset=utf-8");
    assert_eq!(response.headers()["content-disposition"], "attachment; filename=\"contacts.vcf\"");
    let file = response.text().await.unwrap();
    let names: Vec<_> = file.lines().filter_map(|line| line.strip_prefix("FN:")).collect();
    assert_eq!(names, ["One", "Two", "Three"]);
    gateway.app.finish().await;
}

#[tokio::test]
async fn paths_and_degrees_come_as_the_network_tells_them() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    gateway.app.answered_by("network", network()).await;
    let get = async |path: &str| told(gateway.get(&member, path).await).await;

    let degrees = get("/api/v1/network/degrees").await;
    let paths = get("/api/v1/network/paths?to=zoe%40example.org").await;

    assert_eq!(degrees, (200, json!({ "degrees": [{ "degree": 1, "people": 12 }, { "degree": 2, "people": 230 }] })));
    assert_eq!((paths.0, &paths.1["shortest"]["people"][0]["contact_id"]), (200, &Value::Null));
    assert_eq!(get("/api/v1/network/paths?to=nobody").await.0, 404);
    assert_eq!(get("/api/v1/network/paths").await.1["errors"][0]["field"], "to");
    assert_eq!(get("/api/v1/network/paths?to=zoe&max=7").await.1["errors"][0]["field"], "max");
    gateway.app.finish().await;
}

#[tokio::test]
async fn a_search_needs_a_text_and_knows_three_kinds() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let heard = Heard::default();
    gateway.app.answered_by("search", search(heard.clone())).await;
    let get = async |path: &str| told(gateway.get(&member, path).await).await;

    let found = get("/api/v1/search?q=m%C3%BCll&kind=person&limit=200").await;

    assert_eq!(
        (found.0, &found.1["items"][0]["title"], &found.1["next_cursor"]),
        (200, &json!("Zoë Müller"), &Value::Null)
    );
    let asked = heard.lock().unwrap().remove(0);
    assert_eq!((asked.account_id, asked.text.as_str(), asked.limit), (member.account_id, "müll", Some(50)));
    assert_eq!(get("/api/v1/search").await.1["errors"][0]["field"], "q");
    assert_eq!(get("/api/v1/search?q=a&kind=animal").await.1["errors"][0]["field"], "kind");
    gateway.app.finish().await;
}

#[tokio::test]
async fn notifications_are_listed_read_and_chosen() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    gateway.app.answered_by("notifications", notifications()).await;
    let preferences = "/api/v1/notifications/preferences";

    let (_, feed) = told(gateway.get(&member, "/api/v1/notifications").await).await;
    let read = format!("/api/v1/notifications/{}/read", feed["items"][0]["id"].as_str().unwrap());
    let read = told(gateway.call_with(&member, Method::POST, &read).send().await.unwrap()).await;
    let wanted = json!({ "items": [{ "kind": "new-device", "in_app": true, "email": true }] });
    let chosen = gateway.order(&member, Method::PUT, preferences, &wanted).await;
    let unknown = json!({ "items": [{ "kind": "advertising", "in_app": true, "email": true }] });
    let refused = gateway.order(&member, Method::PUT, preferences, &unknown).await;

    assert_eq!((&feed["unread"], &feed["items"][0]["read"]), (&json!(1), &json!(false)));
    assert_eq!(read.0, 204);
    assert_eq!(chosen, (200, wanted));
    assert_eq!((refused.0, &refused.1["errors"][0]["field"]), (422, &json!("items.0.kind")));
    gateway.app.finish().await;
}

#[tokio::test]
async fn a_service_that_is_not_there_is_told_at_once() {
    let gateway = Gateway::start().await;

    let response = gateway.get(&Member::new(), "/api/v1/network/degrees").await;

    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    gateway.app.finish().await;
}
