-- Jobs that are not due yet.
create table skeleton.delayed (
    position bigint generated always as identity primary key,
    message_id uuid not null unique,
    due_at timestamptz not null,
    exchange text not null,
    routing_key text not null,
    envelope text not null,
    body text not null
);
create index delayed_due on skeleton.delayed (due_at, position);
