//! What a transaction keeps beside the handler's own rows: the records of jobs it stages, the reply it gives.

/// Records jobs that a transaction has put into the queue, and keeps the messages of the next steps of those that are
/// there.
pub(super) const JOB: &str = "with staged as (
        select * from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::text[])
            as s (id, name, at, envelope, body)
    ), next as (
        update skeleton.jobs set step_envelope = envelope, step_body = body from staged where step = id
    )
    insert into skeleton.jobs (job_id, name, step, state, queued_at, step_envelope, step_body)
    select id, name, id, 'queued', at, envelope, body from staged
    where not exists (select from skeleton.jobs where step = id) on conflict do nothing";

/// Keeps a reply.
pub(super) const REPLY: &str = "update skeleton.inbox set reply = $2, account_id = $3 where message_id = $1";
