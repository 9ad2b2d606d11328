-- Where long tasks were left: replays and rebuilds.
create table skeleton.bookmarks (
    task text primary key,
    place jsonb not null,
    kept_at timestamptz not null default now()
);

-- The number of the newest event about a subject; 0 where there was none. Read in one statement with the subject's row,
-- it is the number of the event that made the row what it is.
create function skeleton.sequence_of(about uuid) returns bigint language sql stable parallel safe
    as $$ select coalesce((select last from skeleton.sequences where subject = about::text), 0) $$;

-- What tells the state of a subject: the first eight bytes of the SHA-256 of its id and that number.
create function skeleton.mark_of(about uuid) returns bit(64) language sql stable parallel safe
    as $$ select ('x' || encode(substr(sha256(convert_to(about || ' ' || skeleton.sequence_of(about), 'UTF8')), 1, 8), 'hex'))::bit(64) $$;

-- The marks of many subjects, joined by exclusive or, as text.
create function skeleton.checksum(joined bit) returns text language sql immutable parallel safe
    as $$ select lpad(to_hex(joined::bit(64)::bigint), 16, '0') $$;
