-- A message that no queue takes, or that must not overtake one that no queue takes: the relay passes over it until it is
-- tried again. An older build does not know these columns and sends it with each window, as before.
alter table skeleton.outbox add column postponed_at timestamptz, add column ordering_key bigint;
create index outbox_postponed on skeleton.outbox (ordering_key, position) where postponed_at is not null;
create index outbox_postponed_by_route on skeleton.outbox (exchange, routing_key, position) where postponed_at is not null;

-- Rows of the outbox and of delayed jobs that cannot be read. They stay here until a person has mended them.
create table skeleton.unreadable (
    origin text not null check (origin in ('outbox', 'delayed')),
    position bigint not null,
    message_id uuid,
    due_at timestamptz,
    exchange text not null,
    routing_key text not null,
    sequence bigint,
    envelope text not null,
    body text not null,
    written_at timestamptz,
    reason text not null,
    found_at timestamptz not null default now(),
    primary key (origin, position)
);
