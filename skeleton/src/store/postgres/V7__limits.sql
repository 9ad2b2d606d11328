-- Places that calls of partners take: kind 'at once' for the time of the call, kind 'period' for one period longer.
-- Half of each page stays free, so that taking a place moves nothing in an index.
create table skeleton.partner_places (
    partner text not null,
    kind text not null check (kind in ('at once', 'period')),
    place integer not null,
    call uuid,
    free_at timestamptz not null default now(),
    primary key (partner, kind, place)
) with (fillfactor = 50);
