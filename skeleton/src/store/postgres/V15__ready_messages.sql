-- The relay reads messages that are not postponed, however many postponed ones are before them. The index is small: a
-- message leaves it when it is sent or postponed.
create index outbox_ready on skeleton.outbox (position) where postponed_at is null;

-- As before, but the message of a job's next step is kept while it is waiting to be retried: the note of a message that
-- was delivered without an outcome is removed once the message was handled, and its job may have lost it by then.
create or replace function skeleton.tell_job() returns trigger language plpgsql as $$
begin
    update skeleton.jobs set
        state = case new.state when 'parked' then 'failed' else 'waiting' end,
        error = new.reason,
        ended_at = case new.state when 'parked' then new.last_failed_at end,
        step_envelope = case new.state when 'parked' then null else step_envelope end,
        step_body = case new.state when 'parked' then null else step_body end
    where step = new.message_id and state not in ('done', 'cancelled');
    if new.state = 'parked' then
        update skeleton.job_slots set job_id = null
        where job_id in (select job_id from skeleton.jobs where step = new.message_id);
    end if;
    return null;
end $$;
