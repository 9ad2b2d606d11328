-- The message of a job's next step, so that it can be sent again under its id when the broker has lost it. Absent
-- where an older build wrote it, while the message is set aside, and at the job's end; of another id where an older
-- build has gone on with the job.
alter table skeleton.jobs add column step_envelope text, add column step_body text;

-- A job whose step fails says so, and one whose step is parked makes room for another, whoever sets the message aside.
-- A job that is done or cancelled stays so: its last message may be set aside once more, and be redriven.
create or replace function skeleton.tell_job() returns trigger language plpgsql as $$
begin
    update skeleton.jobs set
        state = case new.state when 'parked' then 'failed' else 'waiting' end,
        error = new.reason,
        ended_at = case new.state when 'parked' then new.last_failed_at end,
        step_envelope = null,
        step_body = null
    where step = new.message_id and state not in ('done', 'cancelled');
    if new.state = 'parked' then
        update skeleton.job_slots set job_id = null
        where job_id in (select job_id from skeleton.jobs where step = new.message_id);
    end if;
    return null;
end $$;

-- When the last event of a line was written: an event with a number that the line has passed and a later time was
-- numbered anew, by a producer that was restored from a backup.
alter table skeleton.lines add column last_time timestamptz;
