//! Search while its index is unavailable.

use crate::common::{App, contact, finds, finds_in_the_end, people, start};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use skeleton::testing::{Servers, eventually};
use uuid::Uuid;

async fn on_the_server(method: Method, path: &str, body: Value) -> Value {
    let url = format!("{}/{path}", Servers::from_env().elasticsearch);
    let request = Client::new().request(method, url);
    let request = if body.is_null() { request } else { request.json(&body) };
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.json().await.unwrap()
}

/// The index that has documents of this account.
async fn index_of(app: &App, owner: Uuid) -> String {
    app.parts().store.refresh().await.unwrap();
    let asked = json!({ "query": { "term": { "owner_id": owner } } });
    let found = on_the_server(Method::POST, "search-test-*-contacts-v*/_search?ignore_unavailable=true", asked).await;
    found["hits"]["hits"][0]["_index"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn while_the_index_is_away_the_asker_is_told_so_and_what_comes_in_waits() {
    let app = start().await;
    let owner = Uuid::new_v4();
    app.receives(&contact(owner, "Anna Before")).await;
    let index = index_of(&app, owner).await;

    on_the_server(Method::POST, &format!("{index}/_close"), Value::Null).await;
    let meanwhile = contact(owner, "Anna Meanwhile");
    app.world().publish(&meanwhile, &app.world().envelope_for(&meanwhile)).await;
    let problem = finds(&app, owner, "anna").await.unwrap_err();
    on_the_server(Method::POST, &format!("{index}/_open"), Value::Null).await;

    assert_eq!((problem.status, problem.retry_after), (503, Some(1)), "{problem}");
    finds_in_the_end(&app, owner, "anna", &["Anna Before", "Anna Meanwhile"]).await;
    app.finish().await;
}

#[tokio::test]
async fn while_the_index_takes_no_writes_people_are_found_and_what_comes_in_waits() {
    let app = start().await;
    let owner = Uuid::new_v4();
    app.receives(&contact(owner, "Anna Before")).await;
    let index = index_of(&app, owner).await;
    let block = |on: bool| json!({ "index.blocks.read_only_allow_delete": on });

    on_the_server(Method::PUT, &format!("{index}/_settings"), block(true)).await;
    let meanwhile = contact(owner, "Anna Meanwhile");
    app.world().publish(&meanwhile, &app.world().envelope_for(&meanwhile)).await;
    let found = people(&app, owner, "anna").await;
    on_the_server(Method::PUT, &format!("{index}/_settings"), block(false)).await;

    assert_eq!(found, ["Anna Before"]);
    finds_in_the_end(&app, owner, "anna", &["Anna Before", "Anna Meanwhile"]).await;
    app.finish().await;
}

#[tokio::test]
async fn many_contacts_that_come_at_once_are_all_found() {
    let app = start().await;
    let owner = Uuid::new_v4();
    let contacts: Vec<_> = (0..500).map(|number| contact(owner, &format!("Person{number} Same"))).collect();

    crate::common::filled_with(&app, &contacts).await;

    eventually("the last contact in the results", async || match people(&app, owner, "person499").await {
        found if found.first().is_some_and(|name| name == "Person499 Same") => Ok(()),
        found => Err(format!("{found:?}")),
    })
    .await;
    assert_eq!(people(&app, owner, "same").await.len(), 50);
    app.finish().await;
}
