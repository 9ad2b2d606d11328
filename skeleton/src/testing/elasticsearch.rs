//! Elasticsearch for tests: each has its own prefix and user, with the rights that a service has.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::{PASSWORD, Provisioned, Servers, TestStore};
use crate::store::elasticsearch::Elasticsearch;

impl TestStore for Elasticsearch {
    async fn provision(name: &str) -> Provisioned {
        let name = format!("search-{name}");
        let indices = json!([{ "names": [format!("{name}-*")], "privileges": ["manage", "read", "write"] }]);
        as_admin(
            Method::PUT,
            &format!("_security/role/{name}"),
            &json!({ "cluster": ["monitor"], "indices": indices }),
        )
        .await;
        as_admin(Method::PUT, &format!("_security/user/{name}"), &json!({ "password": PASSWORD, "roles": [name] }))
            .await;
        let (url, _) = Servers::without_password(&Servers::from_env().elasticsearch);
        let (_, place) = url.rsplit_once('@').expect("the address has a user");
        let settings = vec![
            ("url", format!("http://{name}@{place}")),
            ("password", PASSWORD.to_owned()),
            ("prefix", name.clone()),
            // Many tests share the server: while it creates indices for some, others wait.
            ("timeout_ms", "20000".to_owned()),
        ];
        Provisioned { settings, guard: None, name }
    }

    async fn remove(provisioned: Provisioned) {
        let name = &provisioned.name;
        let found = as_admin(Method::GET, &format!("{name}-*/_alias"), &Value::Null).await;
        for index in found.as_object().into_iter().flat_map(|indices| indices.keys()) {
            as_admin(Method::DELETE, index, &Value::Null).await;
        }
        as_admin(Method::DELETE, &format!("_security/user/{name}"), &Value::Null).await;
        as_admin(Method::DELETE, &format!("_security/role/{name}"), &Value::Null).await;
    }
}

async fn as_admin(method: Method, path: &str, body: &Value) -> Value {
    let url = format!("{}/{path}", Servers::from_env().elasticsearch);
    let mut request = Client::new().request(method, url);
    if !body.is_null() {
        request = request.json(body);
    }
    let answer = request.send().await.expect("the test's Elasticsearch answers");
    let status = answer.status();
    assert!(status.is_success(), "{path}: {status}");
    answer.json().await.expect("Elasticsearch answers in JSON")
}
