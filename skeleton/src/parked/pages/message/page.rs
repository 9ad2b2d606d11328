//! The page of a message.

use maud::{Markup, html};
use uuid::Uuid;
use warp::http::StatusCode;

use super::forms::{Edited, drop_form, edit_form, redrive_form};
use crate::http::Response;
use crate::parked::pages::frame::{alert, page};
use crate::parked::pages::{Desk, status_of, trail::lines};
use crate::parked::{Refused, find, shown};
use crate::store::{Decision, SetAside, State, Store};

/// The page, with an error and the submitted text if a decision was refused.
pub(super) async fn page_of<S: Store>(
    id: Uuid,
    desk: &Desk<S>,
    refused: Option<(Refused, Option<&Edited>)>,
) -> Response {
    let found = async { Ok((find(&desk.store, id).await, desk.store.trail(Some(id), 100).await?)) };
    let (message, trail) = match found.await {
        Ok((Ok(message), trail)) => (Some(message), trail),
        Ok((Err(Refused::NotThere(_)), trail)) => (None, trail),
        Ok((Err(error), _)) | Err(error) => {
            return page(desk.service, status_of(&error), "Message", &alert(&error.to_string()));
        }
    };
    let told = refused.as_ref().map(|(refused, _)| alert(&refused.to_string()));
    let typed = refused.as_ref().and_then(|(_, typed)| *typed);
    let status = match (&refused, &message) {
        (Some((refused, _)), _) => status_of(refused),
        (None, None) => StatusCode::NOT_FOUND,
        (None, Some(_)) => StatusCode::OK,
    };
    let title = message.as_ref().map_or("Message", |message| message.name.as_str());
    let content = html! {
        @if let Some(told) = told { (told) }
        @match &message {
            Some(message) => (whole(message, typed)),
            None => p { "Message " (id) " is not set aside: it was handled, was dropped, or never was." },
        }
        (decided(&trail))
    };
    page(desk.service, status, title, &content)
}

fn decided(trail: &[Decision]) -> Markup {
    html! {
        h2 { "Decisions" }
        @if trail.is_empty() { p { "None yet." } } @else { (lines(trail)) }
    }
}

fn whole(message: &SetAside, typed: Option<&Edited>) -> Markup {
    let data = shown::data(message);
    html! {
        (facts(message))
        h2 { "Data" }
        p { (message.body.len()) " bytes. Values that the schema marks as personal data are masked." }
        pre tabindex="0" role="region" aria-label="Data" { (data.as_deref().unwrap_or("not JSON")) }
        @if let Some(stack) = &message.stack {
            h2 { "Stack of the panic" }
            pre tabindex="0" role="region" aria-label="Stack" { (stack) }
        }
        h2 { "Headers" }
        dl { @for (name, value) in &message.headers { dt { (name) } dd { (value) } } }
        @if message.state.is_for_people() { (redrive_form(message.message)) }
        @if message.state == State::Parked { (edit_form(message, data.as_deref(), typed)) }
        @if message.state.is_for_people() { (drop_form(message.message)) }
        @else { p { "It is " (message.state.as_str()) ": no decision is possible yet." } }
    }
}

fn facts(message: &SetAside) -> Markup {
    let facts = [
        ("Id", message.message.to_string()),
        ("Subject", message.subject.clone().unwrap_or_else(|| "-".to_owned())),
        ("Queue", message.queue.clone()),
        ("State", message.state.as_str().to_owned()),
        ("Reason", message.reason.clone()),
        ("Attempts", message.attempts.to_string()),
        ("First failed", shown::time(message.first_failed_at)),
        ("Failed last", shown::time(message.last_failed_at)),
    ];
    html! { dl { @for (name, value) in &facts { dt { (name) } dd { (value) } } } }
}
