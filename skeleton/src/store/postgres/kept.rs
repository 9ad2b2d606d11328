//! What a transaction stores in addition to the handler's own rows: records of the jobs it stages, and the reply.

/// Records the jobs that a transaction has staged. For the next step of a recorded job, keeps the message.
pub(super) const JOB: &str = "with staged as (
        select * from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::text[])
            as s (id, name, at, envelope, body)
    ), next as (
        update skeleton.jobs set step_envelope = envelope, step_body = body from staged where step = id
    )
    insert into skeleton.jobs (job_id, name, step, state, queued_at, step_envelope, step_body)
    select id, name, id, 'queued', at, envelope, body from staged
    where not exists (select from skeleton.jobs where step = id) on conflict do nothing";

/// Stores a reply.
pub(super) const REPLY: &str = "update skeleton.inbox set reply = $2, account_id = $3 where message_id = $1";
