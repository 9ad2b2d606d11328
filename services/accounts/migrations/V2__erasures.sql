-- What opens the receipt of an erasure. How far that is, its saga knows.
create table erasure_receipts (
    receipt_id uuid primary key,
    account_id uuid not null unique,
    begun_at timestamptz not null,
    finished_at timestamptz
);
create index receipts_by_age on erasure_receipts (finished_at);
