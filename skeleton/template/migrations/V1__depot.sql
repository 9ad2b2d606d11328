create table parcels (
    parcel_id uuid primary key,
    owner_id uuid not null,
    label text not null,
    added_at timestamptz not null
);
create index parcels_by_owner on parcels (owner_id);
create index parcels_by_age on parcels (added_at, parcel_id);

-- Late events of these accounts are dropped. Kept for ever: a parked event has no age limit.
create table erased_owners (
    owner_id uuid primary key
);
