//! What a transaction keeps beside the handler's own rows: the records of jobs it stages, the reply it gives.

/// Records jobs that a transaction has put into the queue, unless they are the next steps of jobs that are there.
pub(super) const JOB: &str = "insert into skeleton.jobs (job_id, name, step, state, queued_at)
    select id, name, id, 'queued', at from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as staged (id, name, at)
    where not exists (select from skeleton.jobs where step = id) on conflict do nothing";

/// Keeps a reply.
pub(super) const REPLY: &str = "update skeleton.inbox set reply = $2, account_id = $3 where message_id = $1";
