-- Rights that one holder has at a time. The fence goes up each time the holder changes.
create table skeleton.leases (
    name text primary key,
    holder text not null,
    fence bigint not null,
    expires_at timestamptz not null
);

create table skeleton.schedules (
    name text primary key,
    -- Expression and time zone.
    rhythm text not null,
    -- Every due time up to this one has been dealt with.
    settled_until timestamptz not null
);

create table skeleton.schedule_runs (
    name text not null,
    due_at timestamptz not null,
    noted_at timestamptz not null,
    -- Absent where the run was missed and is left out.
    job_id uuid,
    primary key (name, due_at)
);

create table skeleton.jobs (
    job_id uuid primary key,
    name text not null,
    key text,
    state text not null check (state in ('queued', 'running', 'waiting', 'failed', 'cancelled', 'done')),
    -- The message of its next step, or of its last one.
    step uuid not null,
    done bigint,
    total bigint,
    error text,
    queued_at timestamptz not null,
    started_at timestamptz,
    ended_at timestamptz,
    -- That message itself, while too many jobs of the name run.
    kept_envelope text,
    kept_body text
);
create unique index jobs_by_key on skeleton.jobs (name, key) where state in ('queued', 'running', 'waiting');
create index jobs_by_step on skeleton.jobs (step);
create index jobs_kept on skeleton.jobs (name, queued_at, job_id) where kept_envelope is not null;
create index jobs_by_age on skeleton.jobs (queued_at);

-- Who wants which job to stop. A table of its own: whoever cancels does not wait for the step that runs.
create table skeleton.job_cancels (
    job_id uuid primary key references skeleton.jobs on delete cascade
);

-- How many jobs of a name may run, and which do.
create table skeleton.job_slots (
    name text not null,
    slot integer not null,
    job_id uuid,
    primary key (name, slot)
);
create index job_slots_by_job on skeleton.job_slots (job_id) where job_id is not null;

-- A job whose step fails says so, and one whose step is parked makes room for another, whoever sets the message aside.
create function skeleton.tell_job() returns trigger language plpgsql as $$
begin
    update skeleton.jobs set
        state = case new.state when 'parked' then 'failed' else 'waiting' end,
        error = new.reason,
        ended_at = case new.state when 'parked' then new.last_failed_at end
    where step = new.message_id;
    if new.state = 'parked' then
        update skeleton.job_slots set job_id = null
        where job_id = (select job_id from skeleton.jobs where step = new.message_id);
    end if;
    return null;
end $$;
create trigger tell_job after insert or update of state on skeleton.set_aside
    for each row execute function skeleton.tell_job();
