//! An idempotency key: one request, one run, one response, for repeated, lost, late and foreign requests.

use std::sync::{Arc, Mutex};

use reqwest::{Client, Method, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use skeleton::{
    Postgres, Problem, Service,
    http::{
        Created, IntoResponse, Routes, group,
        idempotency::{BelongsTo, IdempotentRequest, LARGEST_STORED, Principal, idempotent, read_json},
    },
    store::{Store, Transaction},
    testing::{TestApp, eventually},
};
use tokio::sync::Semaphore;
use uuid::Uuid;
use warp::Filter;

use crate::probe::MIGRATIONS;

/// A caller with a name; a visitor has no account.
struct Caller {
    name: String,
    request_id: Option<Uuid>,
}

impl Principal for Caller {
    fn scope(&self) -> String {
        self.name.clone()
    }

    fn account_id(&self) -> Option<Uuid> {
        (self.name != "a visitor").then(|| account_of(&self.name))
    }

    fn with_request_id(self, id: Uuid) -> Self {
        Self { request_id: Some(id), ..self }
    }
}

fn account_of(name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Purchase {
    what: String,
}

/// The runs so far, by their request ids, and the signal that releases a slow one.
#[derive(Clone)]
struct Shop {
    runs: Arc<Mutex<Vec<Option<Uuid>>>>,
    begun: Arc<Semaphore>,
    go_on: Arc<Semaphore>,
}

impl Shop {
    /// Does what the text of the request says.
    async fn place(self, caller: Caller, order: Purchase) -> Result<skeleton::http::Response, Problem> {
        let number = {
            let mut runs = self.runs.lock().unwrap();
            runs.push(caller.request_id);
            runs.len()
        };
        match order.what.as_str() {
            "unknown" => Err(Problem::not_found("product")),
            "signed out" => Err(Problem::new(401, "unauthorized", "sign in")),
            "too many" => Err(Problem::new(429, "too-many-requests", "later")),
            "away" => Err(Problem::unavailable("not now")),
            "join" => {
                let response = Created(json!({ "run": number }));
                Ok(BelongsTo { account_id: account_of("ada"), response }.into_response())
            }
            "large" => Ok(Created(json!({ "run": number, "text": "x".repeat(LARGEST_STORED) })).into_response()),
            "slow" => {
                self.begun.add_permits(1);
                self.go_on.acquire().await.unwrap().forget();
                Ok(Created(json!({ "run": number })).into_response())
            }
            _ => {
                let mut created = Created(json!({ "run": number })).into_response();
                created.headers_mut().insert("location", "/orders/7".parse().unwrap());
                Ok(created)
            }
        }
    }
}

struct Scene {
    app: TestApp<Postgres>,
    shop: Shop,
    http: Client,
}

async fn start() -> Scene {
    let shop = Shop { runs: Arc::default(), begun: Arc::new(Semaphore::new(0)), go_on: Arc::new(Semaphore::new(0)) };
    let of_routes = shop.clone();
    let service = Service::named("contacts")
        .settings("[http]\naddress = \"127.0.0.1:0\"\n")
        .store(Postgres::migrated_by(MIGRATIONS))
        .routes(move |app| routes(&app.store, of_routes), &[]);
    Scene { app: TestApp::start(service, &[]).await, shop, http: Client::builder().no_proxy().build().unwrap() }
}

fn routes(store: &Postgres, shop: Shop) -> Routes {
    let caller = warp::header::<String>("x-caller").map(|name| Caller { name, request_id: None }).boxed();
    let place = move |request: IdempotentRequest<Caller, Purchase>| {
        let shop = shop.clone();
        async move { request.run(|caller, order| shop.place(caller, order)).await }
    };
    let orders = warp::path!("orders").and(warp::post().or(warp::put()).unify());
    let orders = orders.and(idempotent(store, caller.clone(), read_json)).then(place.clone());
    let others = warp::path!("others").and(warp::post()).and(idempotent(store, caller, read_json)).then(place);
    group(orders.or(others).unify())
}

impl Scene {
    async fn send(&self, method: Method, path: &str, caller: &str, key: Option<&str>, what: &str) -> Response {
        let request = self.http.request(method, format!("{}{path}", self.app.http_url())).header("x-caller", caller);
        let request = key.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
        request.json(&Purchase { what: what.to_owned() }).send().await.unwrap()
    }

    async fn order(&self, key: &str, what: &str) -> (u16, Value) {
        told(self.send(Method::POST, "/orders", "ada", Some(key), what).await).await
    }

    fn runs(&self) -> Vec<Option<Uuid>> {
        self.shop.runs.lock().unwrap().clone()
    }

    async fn execute(&self, sql: &str) {
        self.app.parts().store.execute(sql, &[]).await.unwrap();
    }
}

async fn told(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_response_and_without_a_key_it_runs_again() {
    let scene = start().await;

    let first = scene.send(Method::POST, "/orders", "ada", Some("k1"), "book").await;
    let again = scene.send(Method::POST, "/orders", "ada", Some("k1"), "book").await;
    let without = scene.send(Method::POST, "/orders", "ada", None, "book").await;

    let head = |response: &Response| {
        let headers = response.headers();
        (response.status(), headers["location"].clone(), headers["content-type"].clone())
    };
    assert_eq!(head(&first), head(&again));
    assert_eq!(told(first).await, (201, json!({ "run": 1 })));
    assert_eq!(told(again).await, (201, json!({ "run": 1 })));
    assert_eq!(told(without).await, (201, json!({ "run": 2 })));
    let runs = scene.runs();
    assert!(runs[0].is_some() && runs[1].is_none(), "only a keyed request has a request id: {runs:?}");
    scene.app.finish().await;
}

#[tokio::test]
async fn a_key_belongs_to_one_principal_method_path_query_and_body() {
    let scene = start().await;
    scene.order("k1", "book").await;

    let body = scene.order("k1", "pen").await;
    let method = told(scene.send(Method::PUT, "/orders", "ada", Some("k1"), "book").await).await;
    let path = told(scene.send(Method::POST, "/others", "ada", Some("k1"), "book").await).await;
    let query = told(scene.send(Method::POST, "/orders?express=yes", "ada", Some("k1"), "book").await).await;
    let principal = told(scene.send(Method::POST, "/orders", "bob", Some("k1"), "book").await).await;

    for (status, problem) in [body, method, path, query] {
        assert_eq!((status, &problem["type"]), (422, &json!("urn:kith:problem:idempotency-key-reused")));
    }
    assert_eq!(principal, (201, json!({ "run": 2 })));
    scene.app.finish().await;
}

#[tokio::test]
async fn a_malformed_key_or_body_is_refused_and_leaves_no_row() {
    let scene = start().await;

    for key in ["", "ä", &"k".repeat(256)] {
        assert_eq!(scene.order(key, "book").await.0, 400, "{key}");
    }
    let wrong = scene.http.post(format!("{}/orders", scene.app.http_url())).header("x-caller", "ada");
    let wrong = wrong.header("idempotency-key", "k1").json(&json!({ "waht": "book" })).send().await.unwrap();

    assert_eq!(wrong.status(), 422);
    assert_eq!(scene.order("k1", "book").await.0, 201);
    let rows = scene.app.parts().store.query("select k::text from skeleton.idempotency_keys k", &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
    let row: String = rows[0].get(0);
    assert!(!row.contains("ada") && !row.contains("k1") && !row.contains("book"), "{row}");
    scene.app.finish().await;
}

#[tokio::test]
async fn while_a_request_is_in_progress_a_repeated_one_is_refused() {
    let scene = start().await;

    let (first, meanwhile) = tokio::join!(scene.order("k1", "slow"), async {
        scene.shop.begun.acquire().await.unwrap().forget();
        let meanwhile = scene.send(Method::POST, "/orders", "ada", Some("k1"), "slow").await;
        scene.shop.go_on.add_permits(1);
        meanwhile
    });

    assert_eq!(first, (201, json!({ "run": 1 })));
    assert_eq!(meanwhile.headers()["retry-after"], "1");
    let (status, problem) = told(meanwhile).await;
    assert_eq!((status, &problem["type"]), (409, &json!("urn:kith:problem:request-in-flight")));
    assert_eq!(scene.order("k1", "slow").await, first);
    scene.app.finish().await;
}

#[tokio::test]
async fn an_abandoned_request_runs_again_under_its_id_and_the_first_response_to_be_stored_stays() {
    let scene = start().await;
    let (first, second) = tokio::join!(scene.order("k1", "slow"), async {
        scene.shop.begun.acquire().await.unwrap().forget();
        // As if the running replica had been gone for a minute: the lock has expired.
        scene.execute("update skeleton.idempotency_keys set locked_until = now() - interval '1 second'").await;
        let second = tokio::join!(scene.order("k1", "slow"), async {
            scene.shop.begun.acquire().await.unwrap().forget();
            scene.shop.go_on.add_permits(2);
        });
        second.0
    });

    let third = scene.order("k1", "slow").await;

    let runs = scene.runs();
    assert_eq!((runs.len(), runs[0]), (2, runs[1]));
    assert!(third == first || third == second, "{third:?}");
    assert_eq!(scene.order("k1", "slow").await, third);
    scene.app.finish().await;
}

#[tokio::test]
async fn a_response_that_comes_late_does_not_take_the_place_of_the_one_that_was_given() {
    let scene = start().await;
    let (late, given) = tokio::join!(scene.order("k1", "slow"), async {
        scene.shop.begun.acquire().await.unwrap().forget();
        // Another replica has taken over the request and answered it.
        scene
            .execute("update skeleton.idempotency_keys set status = 201, body = '\"given\"', locked_until = null")
            .await;
        let given = scene.order("k1", "slow").await;
        scene.shop.go_on.add_permits(1);
        given
    });

    assert_eq!((late, given.clone()), ((201, json!({ "run": 1 })), (201, json!("given"))));
    assert_eq!(scene.order("k1", "slow").await, given);
    scene.app.finish().await;
}

#[tokio::test]
async fn refusals_are_replayed_and_what_can_change_by_itself_is_not() {
    let scene = start().await;

    let refused = scene.order("k1", "unknown").await;
    assert_eq!((refused.0, scene.order("k1", "unknown").await), (404, refused));
    for (what, status) in [("signed out", 401), ("too many", 429), ("away", 503)] {
        let before = scene.runs().len();
        for _ in 0..2 {
            assert_eq!(scene.order(what, what).await.0, status);
        }
        let runs = &scene.runs()[before..];
        assert_eq!((runs.len(), runs[0]), (2, runs[1]), "{what} runs again, under the same id");
    }
    scene.app.finish().await;
}

#[tokio::test]
async fn a_response_larger_than_the_limit_is_given_and_not_stored() {
    let scene = start().await;

    let (first, again) = (scene.order("k1", "large").await, scene.order("k1", "large").await);

    assert_eq!((first.0, again.0), (201, 201));
    let runs = scene.runs();
    assert_eq!((runs.len(), runs[0]), (2, runs[1]));
    let sql = "select coalesce(sum(length(body)), 0) from skeleton.idempotency_keys";
    let stored: i64 = scene.app.parts().store.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(stored, 0);
    scene.app.finish().await;
}

#[tokio::test]
async fn after_a_day_a_key_is_new_and_its_response_is_removed() {
    let scene = start().await;
    scene.order("k1", "book").await;
    scene.order("k2", "book").await;
    let sql = "select min(expires_at) between now() + interval '23 hours' and now() + interval '24 hours'
        from skeleton.idempotency_keys";
    let store = &scene.app.parts().store;
    assert!(store.query_one(sql, &[]).await.unwrap().get::<_, bool>(0), "a key is kept for a day");
    scene.execute("update skeleton.idempotency_keys set expires_at = now() - interval '1 second'").await;

    assert_eq!(scene.order("k1", "pen").await, (201, json!({ "run": 3 })));
    // The service's own clean-up may be removing one that this clean-up skips.
    eventually("one of the two expired keys, which was used again", async || {
        store.clean_up("idempotency keys", 1000).await.unwrap();
        let sql = "select count(*) from skeleton.idempotency_keys";
        match store.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) {
            1 => Ok(()),
            left => Err(format!("{left} are left")),
        }
    })
    .await;
    assert_eq!(scene.order("k1", "pen").await, (201, json!({ "run": 3 })));
    scene.app.finish().await;
}

#[tokio::test]
async fn an_erased_account_leaves_no_responses() {
    let scene = start().await;
    scene.order("k1", "book").await;
    scene.order("k2", "book").await;
    scene.send(Method::POST, "/orders", "bob", Some("k1"), "book").await;
    scene.send(Method::POST, "/orders", "a visitor", Some("k1"), "join").await;

    let mut tx = scene.app.parts().store.begin(&scene.app.parts().service, &[]).await.unwrap();
    let removed = tx.forget_responses_to(account_of("ada")).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(removed, 3);
    let sql = "select account_id from skeleton.idempotency_keys";
    let left: Uuid = scene.app.parts().store.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(left, account_of("bob"));
    scene.app.finish().await;
}

#[tokio::test]
async fn while_the_table_cannot_be_read_a_keyed_request_does_not_run() {
    let scene = start().await;
    scene.execute("alter table skeleton.idempotency_keys rename to gone").await;

    let (status, _) = scene.order("k1", "book").await;

    assert_eq!((status, scene.runs().len()), (500, 0));
    scene.execute("alter table skeleton.gone rename to idempotency_keys").await;
    assert_eq!(scene.order("k1", "book").await.0, 201);
    scene.app.finish().await;
}

#[tokio::test]
async fn a_request_without_a_principal_is_refused_before_its_key_is_looked_at() {
    let scene = start().await;

    let anonymous = scene.http.post(format!("{}/orders", scene.app.http_url())).header("idempotency-key", "k1");
    let anonymous = anonymous.json(&json!({ "what": "book" })).send().await.unwrap();

    assert_eq!((anonymous.status().as_u16(), scene.runs().len()), (400, 0));
    scene.app.finish().await;
}
