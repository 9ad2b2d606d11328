//! `GET /parked/audit`: the audit trail.

use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;
use warp::http::StatusCode;

use super::{
    Desk, MOST_SHOWN,
    frame::{alert, field, page, table},
};
use crate::{
    http::Response,
    parked::shown::time,
    store::{Decision, Store},
};

/// The form: the id of a message, or empty.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    id: String,
}

/// `GET /parked/audit` - the newest decisions, about one message or all.
pub(super) async fn show<S: Store>(asked: Asked, desk: Desk<S>) -> Response {
    let id: Result<Option<Uuid>, _> = Some(asked.id.trim()).filter(|id| !id.is_empty()).map(str::parse).transpose();
    let (status, found) = match id {
        Err(_) => (StatusCode::UNPROCESSABLE_ENTITY, alert("the id is not a UUID")),
        Ok(id) => match desk.store.trail(id, MOST_SHOWN as i64).await {
            Ok(decisions) => (StatusCode::OK, found(&decisions)),
            Err(error) => (StatusCode::SERVICE_UNAVAILABLE, alert(&format!("the store does not answer: {error}"))),
        },
    };
    let form = html! {
        form method="get" action="/parked/audit" role="search" aria-label="Filter" {
            (field("id", "id", "Id of a message", &asked.id))
            button { "Show" }
        }
    };
    page(desk.service, status, "Audit trail", &html! { (form) (found) })
}

fn found(decisions: &[Decision]) -> Markup {
    if decisions.is_empty() {
        return html! { p { "No decisions found." } };
    }
    html! {
        @if decisions.len() == MOST_SHOWN { p { "The newest " (MOST_SHOWN) " are shown." } }
        (lines(decisions))
    }
}

/// Decisions as a table.
pub(super) fn lines(decisions: &[Decision]) -> Markup {
    let rows = html! {
        @for decision in decisions {
            tr {
                td { (time(decision.decided_at)) }
                td { (decision.decided_by) }
                td {
                    (decision.act.as_str())
                    @if let Some(before) = &decision.data_before {
                        br; small { "before: " (before.bytes) " bytes, SHA-256 " (before.sha256) }
                    }
                }
                td { a href={ "/parked/" (decision.message) } { (decision.name) } br; small { (decision.message) } }
                td { (decision.reason) }
                td { (decision.note.as_deref().unwrap_or("-")) }
            }
        }
    };
    table("Decisions, newest first", &["When", "Who", "What", "Message", "Its reason", "Note"], &rows)
}
