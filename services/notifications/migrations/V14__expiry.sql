-- Notifications are deleted 90 days after they were created.
create index notifications_by_age on notifications (created_at);
