-- Sessions that have ended and accounts that are erased: access tokens that name them are refused.
create table ended (
    id uuid primary key,
    -- No access token that names it is valid after this anyway.
    until timestamptz not null,
    written_at timestamptz not null default now()
);
create index ended_written_at on ended (written_at);

-- Orders given under an idempotency key. Neither key nor body is kept: a hash of the key names the row, and the body's
-- hash begins with the key, so that nobody who reads the table can try out passwords.
create table idempotency_keys (
    key_hash bytea primary key,
    -- Whose order it was; null for orders that need no account.
    account_id uuid,
    method text not null,
    path text not null,
    body_hash bytea not null,
    -- The other services are asked under this id, so that they do it once.
    request_id uuid not null,
    -- Someone works on it until then; null once there is an answer.
    locked_until timestamptz,
    status integer,
    location text,
    content_type text,
    body bytea,
    expires_at timestamptz not null
);
create index idempotency_keys_expires_at on idempotency_keys (expires_at);
create index idempotency_keys_account_id on idempotency_keys (account_id);

-- The newest number given out in an account's stream. Its row is locked until the number is committed: numbers become
-- visible in their order.
create table streams (
    account_id uuid primary key,
    last bigint not null
) with (fillfactor = 50);

-- What browsers are told. A topic has one row: whatever is newer takes its place.
create table stream_events (
    account_id uuid not null,
    topic text not null,
    id bigint not null,
    name text not null,
    -- Events of one topic may come in the wrong order; the older one is left out.
    sequence bigint not null,
    data text not null,
    at timestamptz not null default now(),
    primary key (account_id, topic)
);
create unique index stream_events_order on stream_events (account_id, id);
create index stream_events_at on stream_events (at);
