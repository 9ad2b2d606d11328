//! The requests that other services send to this one.

use depot_events::{AddParcel, GetParcel, ParcelView};
use skeleton::{HandlerResult, Postgres, Problem, Publish, ReadContext, RequestHandlers, store::postgres::Tx};

use crate::{
    domain::{Parcel, ParcelRefusal, label},
    events::added,
    store,
};

/// The requests that this service handles.
pub fn answers() -> RequestHandlers<Postgres> {
    RequestHandlers::new().write(add_parcel).read(get_parcel)
}

/// Handles `add-parcel`: adds a parcel to those of an account.
async fn add_parcel(asked: AddParcel, tx: &mut Tx) -> HandlerResult<ParcelView> {
    let label = label(&asked.label)?;
    if store::is_erased(tx, asked.owner_id).await? {
        return Err(ParcelRefusal::NoOwner.into());
    }
    let parcel = Parcel { id: tx.new_id(), owner_id: asked.owner_id, label, added_at: tx.now() };
    store::insert(tx, &parcel).await?;
    tx.publish(added(&parcel))?;
    Ok(parcel.into())
}

/// Handles `get-parcel`: a parcel of an account.
async fn get_parcel(asked: GetParcel, store: ReadContext<Postgres>) -> HandlerResult<ParcelView> {
    let found = store::find(&store, asked.owner_id, asked.parcel_id).await?;
    found.map(ParcelView::from).ok_or_else(|| Problem::not_found("parcel").into())
}
