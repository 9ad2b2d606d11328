//! Parked messages as pages on the admin port.
//!
//! The pages work without scripts. All content is escaped, personal data is masked, and changes are accepted only from
//! these pages ([`guard`]). There is no login, so the admin port must not be public.

mod asked;
mod bulk;
mod bulk_form;
mod frame;
mod guard;
mod list;
mod message;
mod trail;

use serde::de::DeserializeOwned;
use uuid::Uuid;
use warp::{
    Filter as _, Rejection, Reply as _,
    http::{StatusCode, header::LOCATION},
};

use super::Refused;
use crate::{
    http::{Response, Routes, group},
    store::{NotSigned, Signed, Store},
};

/// The largest form: data of 256 kB with every byte encoded as three.
pub(crate) const MAX_FORM: u64 = 1024 * 1024;

/// The name in the audit trail if none is given.
const NOBODY_NAMED: &str = "admin port";

/// The most lines of a page.
const MOST_SHOWN: usize = 100;

/// The context of the pages.
#[derive(Clone)]
struct Desk<S> {
    store: S,
    service: &'static str,
}

/// `/parked`, `/parked/<id>` and `/parked/audit`, with their forms, for the admin port. `hosts` are its accepted host
/// names besides addresses and `localhost`, separated by commas.
pub(crate) fn routes<S: Store>(store: S, service: &'static str, hosts: &str) -> Routes {
    let desk = Desk { store, service };
    let desk = warp::any().map(move || desk.clone());
    let list = warp::path::end().and(warp::get()).and(warp::query()).and(desk.clone()).then(list::show);
    let trail = warp::path!("audit").and(warp::get()).and(warp::query()).and(desk.clone()).then(trail::show);
    let one = warp::path!(Uuid).and(warp::get()).and(desk.clone()).then(message::show);
    let redrive = warp::path!(Uuid / "redrive").and(warp::post()).and(form()).and(desk.clone()).then(message::redrive);
    let edit = warp::path!(Uuid / "edit").and(warp::post()).and(form()).and(desk.clone()).then(message::edit);
    let drop = warp::path!(Uuid / "drop").and(warp::post()).and(form()).and(desk.clone()).then(message::drop_one);
    let redrive_all = warp::path!("redrive").and(warp::post()).and(form()).and(desk.clone()).then(bulk::redrive_all);
    let drop_all = warp::path!("drop").and(warp::post()).and(form()).and(desk).then(bulk::drop_all);
    let looking = list.or(trail).unify().or(one).unify();
    let deciding = redrive.or(edit).unify().or(drop).unify().or(redrive_all).unify().or(drop_all).unify();
    group(warp::path("parked").and(guard::from_our_pages(hosts)).and(looking.or(deciding).unify()))
}

fn form<T: DeserializeOwned + Send + 'static>() -> impl warp::Filter<Extract = (T,), Error = Rejection> + Clone {
    warp::body::form()
}

/// The submitted name, if any, and note.
fn signed(by: &str, note: &str) -> Result<Signed, NotSigned> {
    Signed::try_new(if by.trim().is_empty() { NOBODY_NAMED } else { by }, note)
}

/// Redirects to the page of a message, which shows the outcome.
fn see(message: Uuid) -> Response {
    warp::reply::with_header(StatusCode::SEE_OTHER, LOCATION, format!("/parked/{message}")).into_response()
}

/// The HTTP status of a refusal.
fn status_of(refused: &Refused) -> StatusCode {
    match refused {
        Refused::NotThere(_) => StatusCode::NOT_FOUND,
        Refused::Changed(_) | Refused::NotParked(..) | Refused::OthersNow => StatusCode::CONFLICT,
        Refused::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Refused::NotSigned(_)
        | Refused::NothingChosen
        | Refused::WrongFilter(_)
        | Refused::NotConfirmed(_)
        | Refused::NotJson { .. }
        | Refused::NothingBehind(_)
        | Refused::Violation(_)
        | Refused::NotItsType(_)
        | Refused::Unreadable(..) => StatusCode::UNPROCESSABLE_ENTITY,
        Refused::Interrupted { .. } | Refused::Store(_) | Refused::Unwritten(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
