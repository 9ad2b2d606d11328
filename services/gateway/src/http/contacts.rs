//! The caller's address book.

use std::io;

use bytes::Bytes;
use contacts_events as contacts;
use contacts_events::{ExportContacts, GetContact, ListContacts, RemoveContact, Texts};
use serde::{Deserialize, Deserializer};
use skeleton::{
    Problem,
    http::{Created, Json, NoContent, Response, Routes, group, idempotency::IdempotentRequest, reply},
};
use tokio::sync::mpsc;
use uuid::Uuid;
use warp::{
    Filter, Reply,
    http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue},
};

use super::{
    Api,
    query::{Query, query},
};
use crate::{
    caller::Caller,
    views::{ContactView, PageView},
};

pub fn routes(api: &Api) -> Routes {
    let all = || warp::path!("api" / "v1" / "contacts");
    let one = || warp::path!("api" / "v1" / "contacts" / Uuid);
    let list = all().and(warp::get()).and(api.caller()).and(query()).then(list_contacts).map(reply);
    let add = all().and(warp::post()).and(api.write()).then(add_contact);
    let show = one().and(warp::get()).and(api.caller()).then(show_contact).map(reply);
    let change = one().and(warp::patch()).and(api.write()).then(change_contact);
    let remove = one().and(warp::delete()).and(api.write_without_body()).then(remove_contact);
    let export = warp::path!("api" / "v1" / "contacts" / "export");
    let export = export.and(warp::get()).and(api.caller()).then(export_contacts).map(reply);
    group(list.or(add).unify().or(show).unify().or(change).unify().or(remove).unify().or(export).unify())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddContact {
    name: String,
    given_name: Option<String>,
    family_name: Option<String>,
    emails: Option<Vec<String>>,
    phones: Option<Vec<String>>,
    company: Option<String>,
    title: Option<String>,
    notes: Option<String>,
    urls: Option<Vec<String>>,
}

/// An absent detail is left unchanged; null removes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeContact {
    #[serde(default, deserialize_with = "or_empty")]
    name: Option<String>,
    #[serde(default, deserialize_with = "or_empty")]
    given_name: Option<String>,
    #[serde(default, deserialize_with = "or_empty")]
    family_name: Option<String>,
    #[serde(default, deserialize_with = "or_empty")]
    emails: Option<Vec<String>>,
    #[serde(default, deserialize_with = "or_empty")]
    phones: Option<Vec<String>>,
    #[serde(default, deserialize_with = "or_empty")]
    company: Option<String>,
    #[serde(default, deserialize_with = "or_empty")]
    title: Option<String>,
    #[serde(default, deserialize_with = "or_empty")]
    notes: Option<String>,
    #[serde(default, deserialize_with = "or_empty")]
    urls: Option<Vec<String>>,
}

fn or_empty<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(given: D) -> Result<Option<T>, D::Error> {
    Option::<T>::deserialize(given).map(|value| Some(value.unwrap_or_default()))
}

/// `GET /api/v1/contacts` - a page of the caller's contacts, by name.
async fn list_contacts(caller: Caller, query: Query) -> Result<Json<PageView<ContactView>>, Problem> {
    let (cursor, limit) = (query.text("cursor").map(str::to_owned), query.limit()?);
    let page = caller.call(&ListContacts { account_id: caller.account_id, cursor, limit }).await?;
    Ok(Json(page.into()))
}

/// `POST /api/v1/contacts` - adds a contact by hand.
async fn add_contact(request: IdempotentRequest<Caller, AddContact>) -> Response {
    let add = |caller: Caller, contact: AddContact| async move {
        let request = contacts::AddContact {
            account_id: caller.account_id,
            name: contact.name,
            given_name: contact.given_name,
            family_name: contact.family_name,
            emails: contact.emails.unwrap_or_default(),
            phones: contact.phones.unwrap_or_default(),
            company: contact.company,
            title: contact.title,
            notes: contact.notes,
            urls: contact.urls.unwrap_or_default(),
        };
        Ok(Created(ContactView::from(caller.call(&request).await?)))
    };
    request.run(add).await
}

/// `GET /api/v1/contacts/{id}` - one of the caller's contacts.
async fn show_contact(contact_id: Uuid, caller: Caller) -> Result<Json<ContactView>, Problem> {
    let contact = caller.call(&GetContact { contact_id, account_id: caller.account_id }).await?;
    Ok(Json(contact.into()))
}

/// `PATCH /api/v1/contacts/{id}` - changes the given details of a contact.
async fn change_contact(contact_id: Uuid, request: IdempotentRequest<Caller, ChangeContact>) -> Response {
    let change = |caller: Caller, change: ChangeContact| async move {
        let request = contacts::ChangeContact {
            contact_id,
            account_id: caller.account_id,
            name: change.name,
            given_name: change.given_name,
            family_name: change.family_name,
            emails: change.emails.map(Texts),
            phones: change.phones.map(Texts),
            company: change.company,
            title: change.title,
            notes: change.notes,
            urls: change.urls.map(Texts),
        };
        Ok(Json(ContactView::from(caller.call(&request).await?)))
    };
    request.run(change).await
}

/// `DELETE /api/v1/contacts/{id}` - removes a contact.
async fn remove_contact(contact_id: Uuid, request: IdempotentRequest<Caller, ()>) -> Response {
    let remove = |caller: Caller, ()| async move {
        caller.call(&RemoveContact { contact_id, account_id: caller.account_id }).await?;
        Ok(NoContent)
    };
    request.run(remove).await
}

/// `GET /api/v1/contacts/export` - all contacts as vCards.
async fn export_contacts(caller: Caller) -> Result<Response, Problem> {
    // The first part is awaited, so that its failure can still become an error response.
    let first = caller.call(&ExportContacts { account_id: caller.account_id, cursor: None }).await?;
    let (stretches, mut received) = mpsc::channel(2);
    tokio::spawn(send_stretches(caller, first, stretches));
    let body = futures::stream::poll_fn(move |context| received.poll_recv(context));
    let mut response = warp::reply::stream(body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/vcard; charset=utf-8"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"contacts.vcf\""));
    Ok(response)
}

/// Sends part after part, as fast as they are read. If a part fails the connection is closed, so that the client does
/// not take the incomplete body for the whole.
async fn send_stretches(caller: Caller, first: contacts::ContactExport, stretches: mpsc::Sender<io::Result<Bytes>>) {
    let mut next: Result<_, Problem> = Ok(first);
    loop {
        let (vcards, cursor) = match next {
            Ok(contacts::ContactExport { vcards, next_cursor }) => (Ok(Bytes::from(vcards)), next_cursor),
            Err(problem) => (Err(io::Error::other(problem.to_string())), None),
        };
        if stretches.send(vcards).await.is_err() || cursor.is_none() {
            return;
        }
        next = caller.call(&ExportContacts { account_id: caller.account_id, cursor }).await;
    }
}
