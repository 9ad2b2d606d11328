//! `POST /parked/redrive` and `/parked/drop`: everything that a filter lets through, at once.

use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;
use warp::{
    Reply as _,
    http::{StatusCode, header::LOCATION},
};

use super::{
    Desk,
    list::{Asked, page_of},
    message::signature,
    signed,
};
use crate::{
    http::Response,
    parked::{Refused, drop_parked, redrive},
    store::{Filter, Signed, State, Store},
};

/// How many messages one form decides about at most: as many as are done well within the time of a request.
pub(super) const MOST_AT_ONCE: usize = 1000;

/// A decision about everything that a filter lets through, as its form has it.
#[derive(Deserialize)]
pub(super) struct DecidedAll {
    #[serde(flatten)]
    asked: Asked,
    /// How many there were on the page.
    counted: usize,
    #[serde(default)]
    by: String,
    #[serde(default)]
    note: String,
    /// Whether it is really meant: `yes`.
    #[serde(default)]
    sure: String,
}

/// `POST /parked/redrive` - lets all of them be handled again.
pub(super) async fn redrive_all<S: Store>(form: DecidedAll, desk: Desk<S>) -> Response {
    let done = async {
        let (messages, signed) = meant(&form, &desk.store).await?;
        redrive(&desk.store, &messages, None, &signed).await
    };
    match done.await {
        Ok(_) => see_trail(),
        Err(refused) => page_of(&form.asked, &desk, Some(&refused)).await,
    }
}

/// `POST /parked/drop` - forgets all of them for good.
pub(super) async fn drop_all<S: Store>(form: DecidedAll, desk: Desk<S>) -> Response {
    let done = async {
        let (messages, signed) = meant(&form, &desk.store).await?;
        if form.sure != "yes" {
            return Err(Refused::NotConfirmed(messages.len()));
        }
        drop_parked(&desk.store, &messages, &signed).await
    };
    match done.await {
        Ok(_) => see_trail(),
        Err(refused) => page_of(&form.asked, &desk, Some(&refused)).await,
    }
}

/// The filter for those that can be decided about: where it is for every state, the parked ones are meant.
pub(super) fn decided_about(filter: &Filter) -> Option<Filter> {
    let state = filter.state.unwrap_or(State::Parked);
    state.is_for_people().then(|| filter.clone().in_state(state))
}

/// The messages that were on the page; refused where the filter lets another number through by now.
async fn meant<S: Store>(form: &DecidedAll, store: &S) -> Result<(Vec<Uuid>, Signed), Refused> {
    let signed = signed(&form.by, &form.note)?;
    let filter = form.asked.filter().map_err(Refused::WrongFilter)?;
    let filter = decided_about(&filter).ok_or(Refused::NothingChosen)?;
    let messages = store.ids_of(&filter, MOST_AT_ONCE as i64 + 1).await?;
    if messages.len() != form.counted || messages.len() > MOST_AT_ONCE {
        return Err(Refused::OthersNow);
    }
    Ok((messages, signed))
}

fn see_trail() -> Response {
    warp::reply::with_header(StatusCode::SEE_OTHER, LOCATION, "/parked/audit").into_response()
}

/// The forms, for as many messages as were counted.
pub(super) fn forms(asked: &Asked, counted: usize) -> Markup {
    if counted > MOST_AT_ONCE {
        return html! {
            p { "More than " (MOST_AT_ONCE) " can be decided about: narrow the filter, or use the command " code { "parked redrive --rate" } "." }
        };
    }
    html! {
        @if counted > 1 {
            h2 { "All " (counted) " at once" }
            form method="post" action="/parked/redrive" {
                (what_was_seen(asked, counted))
                (signature("redrive-all", "", ""))
                button { "Handle all " (counted) " again" }
            }
            form method="post" action="/parked/drop" {
                (what_was_seen(asked, counted))
                (signature("drop-all", "", ""))
                label class="check" { input type="checkbox" name="sure" value="yes" required; "They are gone for good" }
                button class="bad" { "Forget all " (counted) }
            }
        }
    }
}

fn what_was_seen(asked: &Asked, counted: usize) -> Markup {
    html! {
        @for (name, value) in asked.fields() { input type="hidden" name=(name) value=(value); }
        input type="hidden" name="counted" value=(counted);
    }
}
