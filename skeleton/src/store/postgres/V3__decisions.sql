-- Who decided what about parked messages, and when. The data of a message is never here: only what tells whether it was the same.
create table skeleton.decisions (
    decision_id bigint generated always as identity primary key,
    decided_at timestamptz not null default now(),
    decided_by text not null,
    act text not null,
    note text,
    message_id uuid not null,
    queue text not null,
    name text not null,
    subject text,
    reason text not null,
    data_sha256 text,
    data_bytes bigint
);
create index decisions_by_message on skeleton.decisions (message_id, decision_id);
create index decisions_by_age on skeleton.decisions using brin (decided_at);
