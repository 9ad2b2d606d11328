-- What goes on over many messages, and is remembered between them.
create table skeleton.sagas (
    name text not null,
    saga_id uuid not null,
    phase text not null check (phase in ('running', 'done', 'compensating', 'compensated')),
    state jsonb not null,
    timeout_id uuid,
    timeout_at timestamptz,
    begun_at timestamptz not null,
    changed_at timestamptz not null,
    keep_until timestamptz,
    primary key (name, saga_id)
);
create index sagas_by_change on skeleton.sagas (changed_at);
create index sagas_of_id on skeleton.sagas (saga_id);
create index sagas_to_forget on skeleton.sagas (keep_until) where keep_until is not null;

-- What each has done, and how that is undone: a job as it will leave, until it has.
create table skeleton.saga_steps (
    position bigint generated always as identity primary key,
    name text not null,
    saga_id uuid not null,
    at timestamptz not null,
    what text not null,
    message_id uuid,
    compensation jsonb,
    foreign key (name, saga_id) references skeleton.sagas on delete cascade
);
create index steps_of_saga on skeleton.saga_steps (name, saga_id, position);

-- Whose data a kept reply holds, so that it can be forgotten with them.
alter table skeleton.inbox add column account_id uuid;
create index replies_of_account on skeleton.inbox (account_id) where account_id is not null;
