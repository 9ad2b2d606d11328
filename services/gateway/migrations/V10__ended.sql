-- Which transaction has written a row. Rows become visible in no order of time: a replica that looks for what is new asks for
-- what transactions have written that were open at its last look, or began after it.
alter table ended add column written_by xid8 not null default pg_current_xact_id();
create index ended_written_by on ended (written_by);
drop index ended_written_at;
create index ended_until on ended (until);

-- A trigger, because the build before, which may still run, does not know the column.
create function note_writer() returns trigger language plpgsql as $$
begin
    new.written_by := pg_current_xact_id();
    return new;
end $$;
create trigger note_writer before update on ended for each row execute function note_writer();
