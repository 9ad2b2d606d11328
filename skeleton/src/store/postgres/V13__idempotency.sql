-- HTTP writes under an idempotency key. Neither the key nor the body is stored: a hash of the principal and the key names
-- the row, and the hash of the body begins with the key, so the table cannot be used to guess passwords.
create table skeleton.idempotency_keys (
    key_hash bytea primary key,
    -- The account that sent the request; null for requests without an account.
    account_id uuid,
    method text not null,
    path text not null,
    body_hash bytea not null,
    -- Other services are asked under this id, and the inbox records it: they write once.
    request_id uuid not null,
    -- The request is in progress until then; null once a response is stored.
    locked_until timestamptz,
    status integer,
    location text,
    content_type text,
    body bytea,
    expires_at timestamptz not null
);
create index idempotency_keys_expires_at on skeleton.idempotency_keys (expires_at);
create index idempotency_keys_account_id on skeleton.idempotency_keys (account_id);
