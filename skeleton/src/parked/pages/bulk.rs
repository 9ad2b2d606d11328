//! `POST /parked/redrive` and `/parked/drop`: redrives or drops all messages that match a filter.

use serde::Deserialize;
use uuid::Uuid;
use warp::{
    Reply as _,
    http::{StatusCode, header::LOCATION},
};

use super::{
    Desk,
    asked::Asked,
    bulk_form::{MOST_AT_ONCE, decided_about, fingerprint},
    list::page_of,
    signed,
};
use crate::{
    http::Response,
    parked::{Refused, drop_parked, redrive},
    store::{Signed, Store},
};

/// The form of a decision about all messages that match a filter.
#[derive(Deserialize)]
pub(super) struct DecidedAll {
    #[serde(flatten)]
    asked: Asked,
    /// The fingerprint of the messages that the page showed or counted.
    seen: Uuid,
    #[serde(default)]
    by: String,
    #[serde(default)]
    note: String,
    /// The confirmation: `yes`.
    #[serde(default)]
    sure: String,
}

/// `POST /parked/redrive` - redrives all of them.
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

/// `POST /parked/drop` - drops all of them for good.
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

/// The messages that the filter matched on the page; refused if it now matches others.
async fn meant<S: Store>(form: &DecidedAll, store: &S) -> Result<(Vec<Uuid>, Signed), Refused> {
    let signed = signed(&form.by, &form.note)?;
    let filter = form.asked.filter().map_err(Refused::WrongFilter)?;
    let filter = decided_about(&filter).ok_or(Refused::NothingChosen)?;
    let messages = store.ids_of(&filter, MOST_AT_ONCE as i64 + 1).await?;
    if fingerprint(&messages) != form.seen || messages.len() > MOST_AT_ONCE {
        return Err(Refused::OthersNow);
    }
    Ok((messages, signed))
}

fn see_trail() -> Response {
    warp::reply::with_header(StatusCode::SEE_OTHER, LOCATION, "/parked/audit").into_response()
}
