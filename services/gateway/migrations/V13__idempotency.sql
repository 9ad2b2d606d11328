-- Idempotency keys are the skeleton's now. The view serves replicas of the build before, which go on writing to it during
-- a rolling update and after a rollback; a later release drops it.
lock table idempotency_keys in access exclusive mode;
insert into skeleton.idempotency_keys
    (key_hash, account_id, method, path, body_hash, request_id, locked_until, status, location, content_type, body, expires_at)
select key_hash, account_id, method, path, body_hash, request_id, locked_until, status, location, content_type, body, expires_at
from idempotency_keys
on conflict do nothing;
drop table idempotency_keys;
create view idempotency_keys as
select key_hash, account_id, method, path, body_hash, request_id, locked_until, status, location, content_type, body, expires_at
from skeleton.idempotency_keys;
