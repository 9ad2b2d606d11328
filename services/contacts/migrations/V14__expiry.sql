-- Imports are deleted 90 days after they were created, uploads that were never submitted after a day.
create index imports_by_age on imports (created_at);
