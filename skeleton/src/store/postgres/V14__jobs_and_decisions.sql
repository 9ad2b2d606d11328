-- The kept message of a job that cannot be read is set aside as well. An older build only counts these rows.
alter table skeleton.unreadable drop constraint unreadable_origin_check;
alter table skeleton.unreadable add constraint unreadable_origin_check check (origin in ('outbox', 'delayed', 'jobs'));

-- Expired decisions are found by a B-tree, as those of the inbox are: once the space of removed rows is used again, a block
-- range index reads half of the table each time.
create index decisions_by_time on skeleton.decisions (decided_at);
drop index skeleton.decisions_by_age;
