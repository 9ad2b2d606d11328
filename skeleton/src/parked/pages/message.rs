//! `/parked/<id>`: one message, with the forms to decide about it.

use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;
use warp::http::StatusCode;

use super::{
    Desk,
    frame::{alert, field, page},
    see, signed, status_of,
    trail::lines,
};
use crate::{
    http::Response,
    parked::{Edit, Refused, drop_parked, find, redrive as redriven, shown},
    store::{Decision, Fingerprint, SetAside, State, Store},
};

/// The form of a redrive or a drop.
#[derive(Deserialize)]
pub(super) struct Decided {
    #[serde(default)]
    by: String,
    #[serde(default)]
    note: String,
    /// The confirmation: `yes`.
    #[serde(default)]
    sure: String,
}

/// The form with new data.
#[derive(Deserialize)]
pub(super) struct Edited {
    #[serde(default)]
    by: String,
    #[serde(default)]
    note: String,
    data: String,
    /// The fingerprint of the data that was shown.
    seen: String,
    /// Whether to handle it again at once: `yes`.
    #[serde(default)]
    redrive: String,
}

/// `GET /parked/<id>` - one message, with personal data masked.
pub(super) async fn show<S: Store>(id: Uuid, desk: Desk<S>) -> Response {
    page_of(id, &desk, None).await
}

/// `POST /parked/<id>/redrive` - redrives it.
pub(super) async fn redrive<S: Store>(id: Uuid, form: Decided, desk: Desk<S>) -> Response {
    let done = async {
        let signed = signed(&form.by, &form.note)?;
        for_people(&desk.store, id).await?;
        redriven(&desk.store, &[id], None, &signed).await
    };
    match done.await {
        Ok(_) => see(id),
        Err(refused) => page_of(id, &desk, Some((refused, None))).await,
    }
}

/// `POST /parked/<id>/drop` - drops it for good.
pub(super) async fn drop_one<S: Store>(id: Uuid, form: Decided, desk: Desk<S>) -> Response {
    let done = async {
        let signed = signed(&form.by, &form.note)?;
        for_people(&desk.store, id).await?;
        if form.sure != "yes" {
            return Err(Refused::NotConfirmed(1));
        }
        drop_parked(&desk.store, &[id], &signed).await
    };
    match done.await {
        Ok(_) => see(id),
        Err(refused) => page_of(id, &desk, Some((refused, None))).await,
    }
}

/// `POST /parked/<id>/edit` - replaces its data, and redrives it if requested.
pub(super) async fn edit<S: Store>(id: Uuid, form: Edited, desk: Desk<S>) -> Response {
    let done = async {
        let signed = signed(&form.by, &form.note)?;
        let seen = find(&desk.store, id).await?;
        if Fingerprint::of(&seen.body).sha256 != form.seen {
            return Err(Refused::Changed(id));
        }
        let edit = Edit::of(seen, form.data.as_bytes())?;
        if edit.is_change() {
            edit.keep(&desk.store, &signed).await?;
        }
        if form.redrive == "yes" {
            redriven(&desk.store, &[id], None, &signed).await?;
        }
        Ok(())
    };
    match done.await {
        Ok(()) => see(id),
        Err(refused) => page_of(id, &desk, Some((refused, Some(&form)))).await,
    }
}

async fn for_people<S: Store>(store: &S, id: Uuid) -> Result<(), Refused> {
    let state = find(store, id).await?.state;
    if state.is_for_people() { Ok(()) } else { Err(Refused::NotParked(id, state)) }
}

/// The page, with an error and the submitted text if a decision was refused.
async fn page_of<S: Store>(id: Uuid, desk: &Desk<S>, refused: Option<(Refused, Option<&Edited>)>) -> Response {
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
        p { (message.body.len()) " bytes. Personal data is masked." }
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
        ("Failed first", shown::time(message.first_failed_at)),
        ("Failed last", shown::time(message.last_failed_at)),
    ];
    html! { dl { @for (name, value) in &facts { dt { (name) } dd { (value) } } } }
}

fn redrive_form(id: Uuid) -> Markup {
    html! {
        h2 { "Redrive" }
        form method="post" action={ "/parked/" (id) "/redrive" } {
            (signature("redrive", "", ""))
            button { "Handle again" }
        }
    }
}

fn drop_form(id: Uuid) -> Markup {
    html! {
        h2 { "Drop" }
        form method="post" action={ "/parked/" (id) "/drop" } {
            (signature("drop", "", ""))
            label class="check" { input type="checkbox" name="sure" value="yes" required; "I know that it is lost for good" }
            button class="bad" { "Drop" }
        }
    }
}

fn edit_form(message: &SetAside, data: Option<&str>, typed: Option<&Edited>) -> Markup {
    let seen = Fingerprint::of(&message.body).sha256;
    let (by, note) = typed.map_or(("", ""), |typed| (typed.by.as_str(), typed.note.as_str()));
    let text = typed.map(|typed| typed.data.as_str()).or(data).unwrap_or_default();
    html! {
        h2 { "Edit" }
        p {
            "A mask that you leave keeps its value. The data is checked against the schema of "
            (message.name) "; headers do not change."
        }
        form method="post" action={ "/parked/" (message.message) "/edit" } {
            input type="hidden" name="seen" value=(seen);
            div class="field wide" {
                label for="data" { "Data (JSON)" }
                textarea id="data" name="data" rows="14" spellcheck="false" { "\n" (text) }
            }
            (signature("edit", by, note))
            label class="check" { input type="checkbox" name="redrive" value="yes"; "Handle again at once" }
            button { "Save" }
        }
    }
}

/// Fields for the person's name and the note; the ids begin with the form's name.
pub(super) fn signature(form: &str, by: &str, note: &str) -> Markup {
    html! {
        (field(&format!("{form}-by"), "by", "Your name, for the audit trail", by))
        (field(&format!("{form}-note"), "note", "Note", note))
    }
}
