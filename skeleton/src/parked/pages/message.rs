//! `/parked/<id>`: one message, with the forms to decide about it.

mod forms;
mod page;

use uuid::Uuid;

pub(super) use self::forms::signature;
use self::{
    forms::{Decided, Edited},
    page::page_of,
};
use super::{Desk, see, signed};
use crate::{
    http::Response,
    parked::{Edit, Refused, drop_parked, find, redrive as redriven},
    store::{Fingerprint, Store},
};

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
