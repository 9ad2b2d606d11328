//! The OpenAPI document matches the implementation: every route, every shape.

use std::{collections::BTreeSet, fs, path::Path};

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::gateway::{Gateway, Heard, Member, contacts_of, network, notifications, search, told};

const DESCRIPTION: &str = include_str!("../../openapi.json");

fn description() -> Value {
    serde_json::from_str(DESCRIPTION).unwrap()
}

/// Method, path and description of every operation.
fn operations(description: &Value) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if method != "parameters" {
                found.push((method.to_uppercase(), path.clone(), operation.clone()));
            }
        }
    }
    found
}

/// Every route names itself in the first line of its doc comment.
fn routes_of_the_source() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let named = text.lines().filter_map(|line| line.strip_prefix("/// `")?.split_once("` - "));
        found.extend(
            named.filter_map(|(route, _)| route.split_once(' ')).map(|(method, path)| (method.into(), path.into())),
        );
    }
    found
}

#[test]
fn every_route_is_described_and_every_description_has_a_route() {
    let described: BTreeSet<_> =
        operations(&description()).into_iter().map(|(method, path, _)| (method, path)).collect();

    assert_eq!(described, routes_of_the_source());
    assert_eq!(described.len(), 28);
}

#[test]
fn it_names_the_licence_and_the_form_of_the_repository() {
    let description = description();

    assert_eq!(description["info"]["license"], json!({ "name": "MIT", "identifier": env!("CARGO_PKG_LICENSE") }));
    assert_eq!(description["openapi"], "3.1.0", "licences have identifiers since 3.1");
    assert_eq!(description["servers"], json!([{ "url": "/" }]), "the gateway that serves the document is the server");
}

#[tokio::test]
async fn every_operation_is_there_and_wants_a_token_where_it_says_so() {
    let gateway = Gateway::start().await;

    for (method, path, operation) in operations(&description()) {
        let path = path.replace("{id}", &Uuid::new_v4().to_string());
        let request = gateway.ask(Method::from_bytes(method.as_bytes()).unwrap(), &path);
        let (status, _) = told(request.send().await.unwrap()).await;

        let anonymous = operation["security"] == json!([]);
        let expected = if anonymous { operation["responses"].get("415").map_or(200, |_| 415) } else { 401 };
        assert_eq!(status, expected, "{method} {path}");
    }
    gateway.app.finish().await;
}

#[tokio::test]
async fn answers_have_the_described_shape() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    gateway.app.answered_by("contacts", contacts_of(member.account_id, Heard::default())).await;
    gateway.app.answered_by("network", network()).await;
    gateway.app.answered_by("search", search(Heard::default())).await;
    gateway.app.answered_by("notifications", notifications()).await;
    let description = description();
    let bodies = json!({
        "register": { "email": "ada@example.org", "password": "correct horse battery", "name": "Ada" },
        "signIn": { "email": "ada@example.org", "password": "correct horse battery" },
        "refresh": { "refresh_token": "vT3l0b7iV6nq" },
        "changeMe": { "nameable": true },
        "addContact": { "name": "Zoë" },
        "changeContact": { "notes": null },
        "changePreferences": { "items": [] },
        "chooseDigest": { "wanted": false },
    });

    for (method, path, operation) in operations(&description) {
        let id = operation["operationId"].as_str().unwrap();
        if ["sendImport", "openStream", "exportContacts", "showDescription"].contains(&id) {
            continue;
        }
        let path = path.replace("{id}", &Uuid::new_v4().to_string());
        let mut request = gateway.call_with(&member, Method::from_bytes(method.as_bytes()).unwrap(), &path);
        if id == "findPaths" {
            request = request.query(&[("to", "zoe@example.org")]);
        }
        if id == "search" {
            request = request.query(&[("q", "zoe")]);
        }
        if let Some(body) = bodies.get(id) {
            let asked = &operation["requestBody"]["content"]["application/json"]["schema"];
            assert_valid(&description, asked, body, id);
            request = request.json(body);
        }
        let (status, answer) = told(request.send().await.unwrap()).await;
        let described = &operation["responses"][status.to_string()];
        assert!(status < 300 && described.is_object(), "{id}: {status} {answer}");
        let shape = &described["content"]["application/json"]["schema"];
        if status != 204 {
            assert_valid(&description, shape, &answer, id);
        }
    }
    let (_, problem) = told(gateway.get(&member, "/api/v1/contacts?limit=0").await).await;
    assert_valid(&description, &json!({ "$ref": "#/components/schemas/Problem" }), &problem, "problem");
    gateway.app.finish().await;
}

#[tokio::test]
async fn the_document_is_served() {
    let gateway = Gateway::start().await;

    let response = gateway.ask(Method::GET, "/openapi.json").send().await.unwrap();

    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(told(response).await, (200, description()));
    gateway.app.finish().await;
}

/// Validates a value against a schema of the document, and checks that the schema names every field of it.
fn assert_valid(description: &Value, schema: &Value, value: &Value, what: &str) {
    let whole = json!({ "allOf": [schema], "components": description["components"] });
    let validator = jsonschema::validator_for(&whole).unwrap();
    let errors: Vec<_> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{what}: {errors:?} in {value}");
    let name = schema["$ref"].as_str().unwrap().trim_start_matches("#/components/schemas/");
    let known = description["components"]["schemas"][name]["properties"].as_object().unwrap();
    let unknown: Vec<_> = value.as_object().unwrap().keys().filter(|key| !known.contains_key(*key)).collect();
    assert!(unknown.is_empty(), "{what}: {unknown:?} are not described");
}
