//! Conversion of parcels to events and replies.

use chrono::{DateTime, Utc};
use depot_events::{ParcelAdded, ParcelRemoved, ParcelView};

use crate::domain::Parcel;

/// A parcel was added.
pub fn added(parcel: &Parcel) -> ParcelAdded {
    ParcelAdded {
        parcel_id: parcel.id,
        owner_id: parcel.owner_id,
        label: parcel.label.clone(),
        added_at: parcel.added_at,
    }
}

/// A parcel was removed.
pub fn removed(parcel: &Parcel, removed_at: DateTime<Utc>) -> ParcelRemoved {
    ParcelRemoved { parcel_id: parcel.id, owner_id: parcel.owner_id, removed_at }
}

impl From<Parcel> for ParcelView {
    fn from(parcel: Parcel) -> Self {
        let Parcel { id, owner_id, label, added_at } = parcel;
        Self { parcel_id: id, owner_id, label, added_at }
    }
}
