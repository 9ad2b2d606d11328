create table accounts (
    account_id uuid primary key,
    email text not null constraint accounts_email unique,
    name text not null,
    password_hash text not null,
    discoverable boolean not null,
    nameable boolean not null,
    created_at timestamptz not null
);

create table sessions (
    session_id uuid primary key,
    account_id uuid not null references accounts on delete cascade,
    opened_at timestamptz not null,
    -- When the session's last refresh token was given out.
    refreshed_at timestamptz not null,
    -- When the session's last access token expires by itself.
    tokens_expire_at timestamptz not null
);
create index sessions_of_account on sessions (account_id);
create index sessions_by_age on sessions (refreshed_at);

-- SHA-256 of every refresh token given out; the newest of a session is the one not replaced.
create table refresh_tokens (
    digest bytea primary key,
    session_id uuid not null references sessions on delete cascade,
    issued_at timestamptz not null,
    replaced_at timestamptz
);
create index tokens_of_session on refresh_tokens (session_id);
create index tokens_by_age on refresh_tokens (replaced_at) where replaced_at is not null;

create table known_devices (
    account_id uuid not null references accounts on delete cascade,
    device text not null,
    first_seen_at timestamptz not null,
    primary key (account_id, device)
);

-- Wrong passwords by SHA-256 of the address, whether there is an account or not: both must cost the same time.
create table failed_sign_ins (
    address bytea primary key,
    failures integer not null,
    since timestamptz not null
);
create index failed_sign_ins_by_age on failed_sign_ins (since);
