-- What tells the state of a subject after the event with this number, for a table that keeps the number in its rows
-- because other events have the same subject: as in skeleton.mark_of(uuid).
create function skeleton.mark_of(about uuid, sequence bigint) returns bit(64) language sql immutable parallel safe
    as $$ select ('x' || encode(substr(sha256(convert_to(about || ' ' || sequence, 'UTF8')), 1, 8), 'hex'))::bit(64) $$;
