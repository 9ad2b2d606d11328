-- Who has said whether they want the digest; all others do.
create table digest_choices (
    account_id uuid primary key,
    wanted boolean not null
);

-- The newest digest that an account was chosen for: nobody gets one twice.
create table digests (
    account_id uuid primary key,
    due_at timestamptz not null
);
create index unread_by_age on notifications (account_id, created_at) where in_app and read_at is null;
