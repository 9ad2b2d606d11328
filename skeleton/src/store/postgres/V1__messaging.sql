-- What the skeleton keeps beside a service's own tables.
create table skeleton.inbox (
    message_id uuid primary key,
    taken_in_at timestamptz not null default now(),
    reply bytea
);
create index inbox_by_age on skeleton.inbox using brin (taken_in_at);

-- The last sequence number given out for each subject.
create table skeleton.sequences (
    subject text primary key,
    last bigint not null
);

create table skeleton.outbox (
    position bigint generated always as identity primary key,
    exchange text not null,
    routing_key text not null,
    sequence bigint,
    envelope text not null,
    body text not null,
    written_at timestamptz not null default now()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

create table skeleton.set_aside (
    message_id uuid primary key,
    queue text not null,
    name text not null,
    subject text,
    headers jsonb not null,
    body bytea not null,
    state text not null check (state in ('waiting', 'parked')),
    attempts integer not null,
    due_at timestamptz not null,
    reason text not null,
    first_failed_at timestamptz not null,
    last_failed_at timestamptz not null
);
create index set_aside_due on skeleton.set_aside (queue, due_at) where state = 'waiting';
