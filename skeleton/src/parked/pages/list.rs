//! `GET /parked`: messages that are set aside, grouped by name and reason, and one by one.

use clap::ValueEnum as _;
use maud::{Markup, html};
use uuid::Uuid;
use warp::http::StatusCode;

use super::{
    Desk, MOST_SHOWN,
    asked::Asked,
    bulk_form::{self, MOST_AT_ONCE},
    frame::{alert, field, page, table},
    status_of,
};
use crate::{
    failure::StoreError,
    http::Response,
    parked::{Refused, shown::time},
    store::{Filter, Group, SetAside, State, Store},
};

/// The most groups of name and reason.
const MOST_GROUPS: i64 = 50;

/// `GET /parked` - lists messages that are set aside.
pub(super) async fn show<S: Store>(asked: Asked, desk: Desk<S>) -> Response {
    page_of(&asked, &desk, None).await
}

/// The page, with an error if a decision was refused.
pub(super) async fn page_of<S: Store>(asked: &Asked, desk: &Desk<S>, refused: Option<&Refused>) -> Response {
    let (status, found) = match asked.filter() {
        Err(mistake) => (StatusCode::UNPROCESSABLE_ENTITY, alert(&mistake)),
        Ok(filter) => match look(&desk.store, filter).await {
            Ok(seen) => (refused.map_or(StatusCode::OK, status_of), found(asked, &seen)),
            Err(error) => (StatusCode::SERVICE_UNAVAILABLE, alert(&format!("the store does not answer: {error}"))),
        },
    };
    let told = refused.map(|refused| alert(&refused.to_string()));
    let content = html! { @if let Some(told) = told { (told) } (form(asked)) (found) };
    page(desk.service, status, "Parked messages", &content)
}

/// The messages that match a filter.
struct Seen {
    groups: Vec<Group>,
    messages: Vec<SetAside>,
    /// Those that can be decided about, up to one more than the limit of a form.
    decided: Vec<Uuid>,
}

async fn look<S: Store>(store: &S, filter: Filter) -> Result<Seen, StoreError> {
    let groups = store.groups_of(&filter, MOST_GROUPS).await?;
    let messages = store.list_set_aside(&filter, MOST_SHOWN as i64 + 1).await?;
    let decided = match bulk_form::decided_about(&filter) {
        Some(filter) => store.ids_of(&filter, MOST_AT_ONCE as i64 + 1).await?,
        None => Vec::new(),
    };
    Ok(Seen { groups, messages, decided })
}

fn form(asked: &Asked) -> Markup {
    let states =
        State::value_variants().iter().map(|state| state.as_str()).filter(|state| *state != State::Parked.as_str());
    html! {
        form method="get" action="/parked" role="search" aria-label="Filter" {
            (field("name", "name", "Name (exact)", &asked.name))
            (field("subject", "subject", "Subject (exact)", &asked.subject))
            (field("reason", "reason", "Reason contains", &asked.reason))
            (field("queue", "queue", "Queue (exact)", &asked.queue))
            (field("since", "since", "First failed at or after (UTC)", &asked.since))
            (field("until", "until", "First failed before (UTC)", &asked.until))
            (field("attempts", "attempts", "Attempts at least", &asked.attempts))
            (field("id", "id", "Id", &asked.id))
            div class="field" {
                label for="state" { "State" }
                select id="state" name="state" {
                    option value="" { (State::Parked.as_str()) }
                    @for state in states.chain(["all"]) { option value=(state) selected[asked.state == state] { (state) } }
                }
            }
            button { "Show" }
        }
    }
}

fn found(asked: &Asked, seen: &Seen) -> Markup {
    let Seen { groups, messages, decided } = seen;
    if messages.is_empty() {
        return html! { p { "No messages match the filter." } };
    }
    let total: i64 = groups.iter().map(|group| group.messages).sum();
    let more = messages.len() > MOST_SHOWN;
    let counted = html! {
        @for group in groups {
            tr {
                td class="number" { (group.messages) }
                td { (group.name) }
                td { a href=(address(asked, group)) { (group.reason) } }
            }
        }
    };
    let listed = html! {
        @for message in messages.iter().take(MOST_SHOWN) { (row(message)) }
    };
    html! {
        h2 { (total) @if groups.len() as i64 == MOST_GROUPS { " or more" } " by name and reason" }
        (table("Messages by name and reason", &["Messages", "Name", "Reason"], &counted))
        h2 { "One by one, oldest first" }
        @if more { p { "The oldest " (MOST_SHOWN) " are shown: narrow the filter to see others." } }
        (table("Messages", &["Message", "Subject", "Reason", "Attempts", "First failed", "State"], &listed))
        (bulk_form::forms(asked, decided))
    }
}

fn row(message: &SetAside) -> Markup {
    html! {
        tr {
            td { a href={ "/parked/" (message.message) } { (message.name) } br; small { (message.message) } }
            td { (message.subject.as_deref().unwrap_or("-")) }
            td { (message.reason) }
            td class="number" { (message.attempts) }
            td { (time(message.first_failed_at)) }
            td { (message.state.as_str()) }
        }
    }
}

/// The same list, narrowed to a group.
fn address(asked: &Asked, group: &Group) -> String {
    let narrowed = Asked { name: group.name.clone(), reason: group.reason.clone(), ..asked.clone() };
    let fields = narrowed.fields();
    let given = fields.iter().filter(|(_, value)| !value.is_empty());
    // `url` can write a query only as part of a whole address.
    let whole = reqwest::Url::parse_with_params("http://admin/parked", given);
    whole.map_or_else(|_| "/parked".to_owned(), |url| format!("/parked?{}", url.query().unwrap_or_default()))
}
