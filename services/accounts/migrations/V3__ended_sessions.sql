-- Sessions that were ended before they expired. A session's id is derived from the request that opened it: without this
-- table, a repeat of that request would open the ended session again.
create table ended_sessions (
    session_id uuid primary key,
    ended_at timestamptz not null default now()
);
create index ended_sessions_by_age on ended_sessions (ended_at);
