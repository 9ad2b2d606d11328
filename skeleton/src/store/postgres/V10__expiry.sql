-- What has expired is found by these, however much is left. A block range index does not do: once the space of removed rows
-- is used again, every range seems to hold old rows. Building them stops writers for about a second per million rows.
create index inbox_by_time on skeleton.inbox (taken_in_at);
drop index skeleton.inbox_by_age;
create index jobs_by_end on skeleton.jobs (ended_at) where ended_at is not null;
create index schedule_runs_by_age on skeleton.schedule_runs (noted_at);

-- Parked messages are counted and listed oldest first.
create index set_aside_parked on skeleton.set_aside (first_failed_at, message_id) where state = 'parked';
