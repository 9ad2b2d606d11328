//! Indices and their versions. Each is created once even if several replicas start, and a new version is built beside
//! the old one while both are in use.
//!
//! `<prefix>-<name>` is an alias; the documents are in `<prefix>-<name>-v<version>`. A new version is created and
//! filled from the old one. Then the alias moves atomically, but only from the index that was copied. The old index is
//! closed for writing, and documents written to it in between are copied again. Documents keep their versions, so that
//! none overwrites a newer one. Finally, documents of accounts erased in between are buried again, and the old index is
//! deleted because it contains erased data. Each step may run twice: by two replicas at once, or again after a crash.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    client::{Body, CallError, Client, Refused},
    index_plan::IndexPlan,
    names::Names,
    owners,
};
use crate::failure::StoreError;

/// How often the state is checked before an error is returned; each conflict with another replica costs one check.
const LOOKS: usize = 32;

/// The existing versions of an index.
enum Found {
    /// There is none.
    Nothing,
    /// An older version.
    Older(String),
    /// This version, and remaining older ones.
    Current { index: String, older: Vec<String> },
    /// A newer version: a newer build of the service runs beside this one.
    Newer,
}

/// Migrates one index to this version.
pub async fn bring_up_to_date(
    client: &Client,
    names: &Names,
    plan: &IndexPlan,
    body: &Value,
) -> Result<(), StoreError> {
    let (alias, index) = (names.alias(plan.name), names.index(plan.name, plan.version));
    for _ in 0..LOOKS {
        let step = match find(client, &alias, plan.version).await? {
            Found::Nothing => create(client, &index, &with_alias(body, &alias)).await,
            Found::Newer => return Ok(()),
            Found::Older(old) => replace(client, &alias, &old, &index, body).await,
            Found::Current { index, older } => match older.first() {
                Some(old) => finish(client, names, &alias, old, &index).await,
                None => return Ok(check_unchanged(client, &index, body).await?),
            },
        };
        match step {
            Ok(()) => {}
            // Another replica was faster: check again.
            Err(error) if error.has_status(404) || error.is("index_not_found_exception") => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::broken(format!("elasticsearch: {alias} keeps changing: check whether it is being changed by hand")))
}

async fn find(client: &Client, alias: &str, version: u32) -> Result<Found, StoreError> {
    let indices = client.get(&format!("{alias}-v*/_alias")).await?;
    let version_of =
        |index: &str| index.strip_prefix(alias)?.strip_prefix("-v")?.split("-r").next()?.parse::<u32>().ok();
    let mut older = Vec::new();
    let mut current = None;
    for (index, about) in indices.as_object().into_iter().flatten() {
        let Some(found) = version_of(index) else { continue };
        if about["aliases"][alias].is_object() {
            current = Some((found, index.clone()));
        }
        if found < version {
            older.push(index.clone());
        }
    }
    Ok(match current {
        None => Found::Nothing,
        Some((found, _)) if found > version => Found::Newer,
        Some((found, index)) if found == version => Found::Current { index, older },
        Some((_, index)) => Found::Older(index),
    })
}

/// Creates an index. An existing one is accepted if it was created from the same text.
async fn create(client: &Client, index: &str, body: &Value) -> Result<(), CallError> {
    match client.put(index, body.clone()).await {
        Err(error) if error.is("resource_already_exists_exception") => check_unchanged(client, index, body).await,
        outcome => outcome.map(drop),
    }
}

/// Builds the new index beside the old one and moves the alias, if it still refers to the old one.
async fn replace(client: &Client, alias: &str, old: &str, index: &str, body: &Value) -> Result<(), CallError> {
    create(client, index, body).await?;
    copy(client, old, index, &everything()).await?;
    let actions = json!({ "actions": [
        { "remove": { "index": old, "alias": alias, "must_exist": true } },
        { "add": { "index": index, "alias": alias } },
    ] });
    client.post("_aliases", actions).await.map(drop)
}

/// Copies the documents that were written to the old index before the alias moved, and deletes it.
async fn finish(client: &Client, names: &Names, alias: &str, old: &str, index: &str) -> Result<(), CallError> {
    client.put(&format!("{old}/_block/write"), Body::Nothing).await?;
    copy(client, old, index, &everything()).await?;
    owners::bury_all_erased(client, names, alias).await?;
    client.delete(old).await.map(drop)
}

fn everything() -> Value {
    json!({ "match_all": {} })
}

/// Copies the documents that match a query, with their versions. Each status check has a time limit; the whole copy has
/// none.
///
/// # Errors
/// Fails with status 404 if the source was deleted meanwhile, whatever error the copy itself ended with.
pub async fn copy(client: &Client, from: &str, to: &str, query: &Value) -> Result<(), CallError> {
    client.refresh(from).await?;
    let order = json!({ "conflicts": "proceed", "source": { "index": from, "query": query }, "dest": { "index": to, "version_type": "external" } });
    let task = client.post("_reindex?wait_for_completion=false", order).await?;
    let task = task["task"].as_str().unwrap_or_default().to_owned();
    loop {
        let state = client.get(&format!("_tasks/{task}")).await?;
        if state["completed"] == json!(true) {
            let failure = state["response"]["failures"].get(0).map(|failure| &failure["cause"]);
            let Some(error) = failure.or_else(|| state.get("error")) else { return Ok(()) };
            // The server reports a source that is deleted during a copy in many ways, such as
            // `search_context_missing_exception`.
            client.get(&format!("{from}/_alias")).await?;
            return Err(CallError::Refused(Refused::new(400, error, to)));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn check_unchanged(client: &Client, index: &str, body: &Value) -> Result<(), CallError> {
    let found = client.get(&format!("{index}/_mapping")).await?;
    if found[index]["mappings"]["_meta"] == body["mappings"]["_meta"] {
        return Ok(());
    }
    Err(StoreError::broken(format!(
        "elasticsearch: {index} was created from a different definition: give the changed one a new version"
    ))
    .into())
}

fn with_alias(body: &Value, alias: &str) -> Value {
    let mut body = body.clone();
    body["aliases"] = json!({ alias: {} });
    body
}

/// The body for creating an index: the plan's text, the number of replicas, and a record of the text.
///
/// # Errors
/// Fails if the text is not a JSON object.
pub fn body_of(plan: &IndexPlan, replicas: u32, added: &Value) -> Result<Value, StoreError> {
    let wrong = |error: &dyn std::fmt::Display| StoreError::broken(format!("the index {}: {error}", plan.name));
    let text: Map<String, Value> = serde_json::from_str(plan.body).map_err(|error| wrong(&error))?;
    let mut body = Value::Object(text);
    let made_from = body.to_string();
    body["settings"]["number_of_replicas"] = json!(replicas);
    body["mappings"]["_meta"] = json!({ "made_from": made_from });
    for (field, about) in added.as_object().into_iter().flatten() {
        body["mappings"]["properties"][field] = about.clone();
    }
    Ok(body)
}
