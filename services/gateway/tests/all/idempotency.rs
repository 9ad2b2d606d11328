//! Idempotency keys: one key, one write, one response.

use std::sync::Arc;

use accounts_events::Erased;
use contacts_events::AddContact;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use skeleton::{
    Postgres, RequestHandlers, Settings,
    store::{Store, StoreBuilder},
    testing::TestStore,
};
use tokio::sync::Semaphore;

use crate::gateway::{Gateway, Heard, Member, contacts_of, told};

async fn add(gateway: &Gateway, member: &Member, key: &str, name: &str) -> Response {
    let request = gateway.call_with(member, Method::POST, "/api/v1/contacts").header("idempotency-key", key);
    request.json(&json!({ "name": name })).send().await.unwrap()
}

#[tokio::test]
async fn the_same_order_under_one_key_is_done_once_and_answered_the_same() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let heard = Heard::<AddContact>::default();
    gateway.app.answered_by("contacts", contacts_of(member.account_id, heard.clone())).await;

    let first = add(&gateway, &member, "k1", "Zoë").await;
    let first_type = first.headers()["content-type"].clone();
    let first = told(first).await;
    let again = add(&gateway, &member, "k1", "Zoë").await;
    let again_type = again.headers()["content-type"].clone();

    assert_eq!(first.0, 201);
    assert_eq!((told(again).await, again_type), (first, first_type));
    assert_eq!(heard.lock().unwrap().len(), 1);
    gateway.app.finish().await;
}

#[tokio::test]
async fn another_order_under_the_same_key_is_refused() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    gateway.app.answered_by("contacts", contacts_of(member.account_id, Heard::default())).await;
    add(&gateway, &member, "k1", "Zoë").await;

    let other_body = told(add(&gateway, &member, "k1", "Yan").await).await;
    let delete = gateway.call_with(&member, Method::DELETE, "/api/v1/me").header("idempotency-key", "k1");
    let other_path = told(delete.send().await.unwrap()).await;

    for (status, problem) in [other_body, other_path] {
        assert_eq!((status, &problem["type"]), (422, &json!("urn:kith:problem:idempotency-key-reused")));
    }
    gateway.app.finish().await;
}

#[tokio::test]
async fn the_keys_of_two_members_have_nothing_to_do_with_each_other() {
    let gateway = Gateway::start().await;
    let (one, other) = (Member::new(), Member::new());
    let heard = Heard::<AddContact>::default();
    gateway.app.answered_by("contacts", contacts_of(one.account_id, heard.clone())).await;

    let first = told(add(&gateway, &one, "k1", "Zoë").await).await;
    let second = told(add(&gateway, &other, "k1", "Zoë").await).await;

    assert_eq!((first.0, second.0), (201, 201));
    assert_ne!(first.1["id"], second.1["id"]);
    let owners: Vec<_> = heard.lock().unwrap().iter().map(|contact| contact.account_id).collect();
    assert_eq!(owners, [one.account_id, other.account_id]);
    gateway.app.finish().await;
}

#[tokio::test]
async fn while_an_order_is_worked_on_the_same_one_has_to_wait() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let (come, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    gateway.app.answered_by("contacts", slow(come.clone(), go.clone())).await;

    let (first, meanwhile) = tokio::join!(add(&gateway, &member, "k1", "Zoë"), async {
        come.acquire().await.unwrap().forget();
        let meanwhile = add(&gateway, &member, "k1", "Zoë").await;
        go.add_permits(1);
        meanwhile
    });

    assert_eq!(first.status(), 201);
    assert_eq!((meanwhile.status().as_u16(), meanwhile.headers()["retry-after"].as_bytes()), (409, &b"1"[..]));
    assert_eq!(told(add(&gateway, &member, "k1", "Zoë").await).await, told(first).await);
    gateway.app.finish().await;
}

#[tokio::test]
async fn of_many_at_once_one_is_done_and_the_others_wait_or_get_its_answer() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let heard = Heard::<AddContact>::default();
    gateway.app.answered_by("contacts", contacts_of(member.account_id, heard.clone())).await;

    let all = futures::future::join_all((0..40).map(|_| add(&gateway, &member, "k1", "Zoë"))).await;

    let answers = futures::future::join_all(all.into_iter().map(told)).await;
    let (done, waiting): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(status, _)| *status == 201);
    assert!(!done.is_empty() && done.iter().all(|answer| *answer == done[0]), "{done:?}");
    assert!(waiting.iter().all(|(status, _)| *status == 409), "{waiting:?}");
    assert_eq!(heard.lock().unwrap().len(), 1);
    gateway.app.finish().await;
}

#[tokio::test]
async fn a_key_is_new_again_after_a_day() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    gateway.app.answered_by("contacts", contacts_of(member.account_id, Heard::default())).await;
    let first = told(add(&gateway, &member, "k1", "Zoë").await).await;
    let sql = "update idempotency_keys set expires_at = now() - interval '1 second'";
    gateway.app.parts().store.execute(sql, &[]).await.unwrap();

    let next_day = told(add(&gateway, &member, "k1", "Yan").await).await;

    assert_eq!((first.0, next_day.0), (201, 201));
    assert_ne!(first.1["id"], next_day.1["id"]);
    gateway.app.finish().await;
}

#[tokio::test]
async fn after_trouble_the_same_order_is_given_again_under_the_same_id() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let failed = told(add(&gateway, &member, "k1", "Zoë").await).await;
    let once = RequestHandlers::new().write(|_: AddContact, _: &mut skeleton::store::postgres::Tx| async {
        Ok(contacts_events::ContactView {
            contact_id: uuid::Uuid::new_v4(),
            ..contacts_events::samples::contact_view()
        })
    });
    gateway.app.answered_by("contacts", once).await;

    let done = told(add(&gateway, &member, "k1", "Zoë").await).await;
    let sql = "update idempotency_keys set status = null, locked_until = now() - interval '1 second'";
    gateway.app.parts().store.execute(sql, &[]).await.unwrap();
    let after_a_crash = told(add(&gateway, &member, "k1", "Zoë").await).await;

    assert_eq!((failed.0, done.0), (503, 201));
    assert_eq!(after_a_crash, done);
    gateway.app.finish().await;
}

#[tokio::test]
async fn a_refusal_of_the_domain_is_the_same_again_and_one_of_the_form_is_not_kept() {
    let gateway = Gateway::start().await;
    let (owner, stranger) = (Member::new(), Member::new());
    gateway.app.answered_by("contacts", contacts_of(owner.account_id, Heard::default())).await;
    let path = format!("/api/v1/contacts/{}", uuid::Uuid::new_v4());
    let change = async |body: Value| {
        let request = gateway.call_with(&stranger, Method::PATCH, &path).header("idempotency-key", "k1");
        told(request.json(&body).send().await.unwrap()).await.0
    };

    assert_eq!(change(json!({ "nmae": "Zoë" })).await, 422);
    assert_eq!(change(json!({ "name": "Zoë" })).await, 404);
    assert_eq!(change(json!({ "name": "Zoë" })).await, 404);
    assert_eq!(change(json!({ "name": "Yan" })).await, 422);
    gateway.app.finish().await;
}

#[tokio::test]
async fn a_key_must_be_one_and_nothing_of_a_password_can_be_tried_out() {
    let gateway = Gateway::start().await;
    let ada = json!({ "email": "ada@example.org", "password": "correct horse battery", "name": "Ada" });
    let register = async |key: &str| {
        let request = gateway.ask(Method::POST, "/api/v1/accounts").header("idempotency-key", key);
        told(request.json(&ada).send().await.unwrap()).await
    };

    assert_eq!(register(&"k".repeat(256)).await.0, 400);
    assert_eq!(register("").await.0, 400);
    assert_eq!(register("k1").await, register("k1").await);
    let rows = gateway.app.parts().store.query("select k::text from idempotency_keys k", &[]).await.unwrap();
    let row: String = rows[0].get(0);
    assert!(rows.len() == 1 && !row.contains("correct") && !row.contains("k1") && !row.contains("127.0.0.1"), "{row}");
    gateway.app.finish().await;
}

#[tokio::test]
async fn of_an_erased_account_its_registration_is_forgotten_too() {
    let gateway = Gateway::start().await;
    let ada = json!({ "email": "ada@example.org", "password": "correct horse battery", "name": "Ada" });
    let request = gateway.ask(Method::POST, "/api/v1/accounts").header("idempotency-key", "k1");
    let (status, registered) = told(request.json(&ada).send().await.unwrap()).await;
    let account_id = serde_json::from_value(registered["id"].clone()).unwrap();
    let stored = async || gateway.app.parts().store.query("select 1 from idempotency_keys", &[]).await.unwrap().len();
    assert_eq!((status, stored().await), (201, 1));

    gateway.app.receives(&Erased { account_id, ..accounts_events::samples::erased() }).await;

    assert_eq!(stored().await, 0);
    gateway.app.finish().await;
}

/// Signals when it is called, and replies when it is allowed to.
fn slow(come: Arc<Semaphore>, go: Arc<Semaphore>) -> RequestHandlers<Postgres> {
    RequestHandlers::new().read(move |_: AddContact, _| {
        let (come, go) = (come.clone(), go.clone());
        async move {
            come.add_permits(1);
            go.acquire().await.map_err(skeleton::Failure::bug)?.forget();
            Ok(contacts_events::samples::contact_view())
        }
    })
}

/// How the previous release hashes keys and bodies.
fn hash_of_the_build_before(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}

/// The previous release's statements that claim a key and store a response.
const CLAIM_BEFORE: &str = "insert into idempotency_keys as k
        (key_hash, account_id, method, path, body_hash, request_id, locked_until, expires_at)
    values ($1, $2, $3, $4, $5, $6, now() + interval '60 seconds', now() + interval '24 hours')
    on conflict (key_hash) do update set account_id = excluded.account_id, method = excluded.method,
        path = excluded.path, body_hash = excluded.body_hash, request_id = excluded.request_id,
        locked_until = excluded.locked_until, status = null, location = null, content_type = null, body = null,
        expires_at = excluded.expires_at
    where k.expires_at < now()
    returning request_id";
const KEEP_BEFORE: &str = "update idempotency_keys set locked_until = null, status = $2, location = $3,
    content_type = $4, body = $5 where key_hash = $1";

#[tokio::test]
async fn beside_the_build_before_a_key_is_still_one_request_and_one_response() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let heard = Heard::<AddContact>::default();
    gateway.app.answered_by("contacts", contacts_of(member.account_id, heard.clone())).await;
    let store = &gateway.app.parts().store;
    let claim_before = async |key: &str| {
        let scope = format!("account {}", member.account_id);
        let name = hash_of_the_build_before(&[scope.as_bytes(), key.as_bytes()]);
        let body = serde_json::to_vec(&json!({ "name": "Zoë" })).unwrap();
        let body = hash_of_the_build_before(&[key.as_bytes(), &body]);
        let (account, id) = (Some(member.account_id), uuid::Uuid::new_v4());
        let path = "/api/v1/contacts";
        let claimed = store.query_opt(CLAIM_BEFORE, &[&name, &account, &"POST", &path, &body, &id]).await.unwrap();
        claimed.map(|_| name)
    };

    assert_eq!(add(&gateway, &member, "new", "Zoë").await.status(), 201);
    assert!(claim_before("new").await.is_none(), "the previous release finds this release's key");
    let name = claim_before("old").await.unwrap();
    assert_eq!(add(&gateway, &member, "old", "Zoë").await.status(), 409, "this release finds the previous one's key");
    let (location, kind) = (None::<String>, Some("application/json".to_owned()));
    store.execute(KEEP_BEFORE, &[&name, &201_i32, &location, &kind, &b"{\"kept\":1}".as_slice()]).await.unwrap();

    assert_eq!(told(add(&gateway, &member, "old", "Zoë").await).await, (201, json!({ "kept": 1 })));
    assert_eq!(heard.lock().unwrap().len(), 1);
    gateway.app.finish().await;
}

#[tokio::test]
async fn the_keys_of_the_build_before_outlive_the_upgrade() {
    const BEFORE: &[(&str, &str)] = &[
        ("V1__gateway", include_str!("../../migrations/V1__gateway.sql")),
        ("V2__order", include_str!("../../migrations/V2__order.sql")),
    ];
    const NOW: &[(&str, &str)] =
        &[BEFORE[0], BEFORE[1], ("V13__idempotency", include_str!("../../migrations/V13__idempotency.sql"))];
    let provisioned = Postgres::provision(&format!("upgrade_{}", uuid::Uuid::new_v4().simple())).await;
    let mut settings = Settings::read_with("gateway", "", Default::default()).unwrap();
    for (key, value) in &provisioned.settings {
        settings.set("store", key, value.as_str());
    }
    let before = Postgres::migrated_by(BEFORE).open(&settings).unwrap();
    before.migrate().await.unwrap();
    let (hash, id) = (vec![1_u8, 2], uuid::Uuid::new_v4());
    let claim = async || {
        let row = before.query_opt(CLAIM_BEFORE, &[&hash, &Some(id), &"POST", &"/api/v1/contacts", &hash, &id]).await;
        row.unwrap().map(|row| row.get::<_, uuid::Uuid>(0))
    };
    let row_in = async |table: &str| {
        let columns = "key_hash, account_id, method, path, body_hash, request_id, locked_until, expires_at";
        let row = before.query_one(&format!("select row({columns})::text from {table}"), &[]).await.unwrap();
        row.get::<_, String>(0)
    };
    assert_eq!(claim().await, Some(id));
    let kept_before = row_in("idempotency_keys").await;

    Postgres::migrated_by(NOW).open(&settings).unwrap().migrate().await.unwrap();

    assert_eq!(row_in("skeleton.idempotency_keys").await, kept_before);
    assert_eq!(claim().await, None, "a replica of the previous release keeps working, over its open connection");
    before.execute("update idempotency_keys set expires_at = now() - interval '1 second'", &[]).await.unwrap();
    assert_eq!(claim().await, Some(id), "an expired key is new to it as well");
    drop(before);
    Postgres::remove(provisioned).await;
}
