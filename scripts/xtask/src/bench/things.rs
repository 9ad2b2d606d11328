//! A service that stores things that arrive over HTTP and publishes each: the subject of the `http` row.

use contacts_events::ContactAdded;
use serde::Deserialize;
use skeleton::{
    Failure, Postgres, Publish, Service,
    http::{Created, Routes, body, group, reply},
    store::{Store, Transaction},
};
use uuid::Uuid;
use warp::Filter;

/// The table of things, shared with the handwritten program.
pub const TABLE: &str = "create table things (id uuid primary key, name text not null, body jsonb not null,
    created_at timestamptz not null default now())";

/// Stores a thing.
pub const KEEP: &str = "insert into things (id, name, body) values ($1, $2, $3)";

const MIGRATIONS: &[(&str, &str)] = &[("V1__things", TABLE)];

/// A thing to store.
#[derive(Deserialize)]
struct KeepThing {
    name: String,
    kind: String,
    amount: i64,
    note: String,
}

/// The service.
pub fn service() -> Service<Postgres> {
    Service::named("contacts").store(Postgres::migrated_by(MIGRATIONS)).routes(routes, &[])
}

fn routes(app: &skeleton::App<Postgres>) -> Routes {
    let app = app.clone();
    let keep = warp::path!("things").and(warp::post()).and(body::<KeepThing>());
    group(keep.then(move |thing| {
        let app = app.clone();
        async move { reply(keep_thing(thing, app).await) }
    }))
}

async fn keep_thing(thing: KeepThing, app: skeleton::App<Postgres>) -> Result<Created<Uuid>, Failure> {
    let mut tx = app.store.begin(&app.service, &[]).await?;
    let id = tx.new_id();
    let KeepThing { name, kind, amount, note } = thing;
    let kept = serde_json::json!({ "name": &name, "kind": &kind, "amount": amount, "note": &note });
    tx.execute(KEEP, &[&id, &name, &kept]).await?;
    let added_at = tx.now();
    tx.publish(ContactAdded {
        contact_id: id,
        owner_id: id,
        name,
        given_name: Some(kind),
        family_name: None,
        emails: Vec::new(),
        phones: Vec::new(),
        company: None,
        title: None,
        notes: Some(note),
        urls: Vec::new(),
        added_at,
    })?;
    tx.commit().await?;
    Ok(Created(id))
}
