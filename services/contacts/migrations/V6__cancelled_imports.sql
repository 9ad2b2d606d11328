-- An import can be stopped by its owner.
alter table imports drop constraint imports_status_check;
alter table imports add constraint imports_status_check
    check (status in ('uploading', 'queued', 'running', 'finished', 'failed', 'cancelled'));
