//! The digest: a scheduled mail about unread notifications, to members who want it.

use chrono::TimeDelta;
use notifications_events::{ChooseDigest, DigestView, GatherDigests, GetDigest, MailDigest};
use skeleton::{
    Failure, HandlerResult, Missed, Postgres, Progress, Publish, ReadContext, Schedules, mail::Mailer,
    store::postgres::Tx,
};

use super::mails::digest_of;
use crate::store::{
    Recipient,
    digests::{self, Unread},
    recipient,
};

/// A notification that has been unread for less time does not trigger a digest.
const UNREAD_FOR: TimeDelta = TimeDelta::days(1);

/// The number of members that one step reads.
const AT_ONCE: i64 = 200;

/// The most notifications that a digest names.
const NAMED: i64 = 10;

/// The schedule of the digest. After a downtime, one missed run is made up for.
pub fn schedules() -> Schedules<Tx> {
    Schedules::new().cron("digest", "0 8 * * MON", Missed::One, |due_at| GatherDigests { due_at, after: None })
}

/// Enqueues a mail for each of the next members who should get the digest, once per member.
pub async fn gather_digests(job: GatherDigests, tx: &mut Tx) -> Result<Progress<GatherDigests>, Failure> {
    let members = digests::take_next(tx, job.due_at, job.due_at - UNREAD_FOR, job.after, AT_ONCE).await?;
    let Some((last, _)) = members.last().copied() else { return Ok(Progress::Done) };
    for (account_id, _) in members.into_iter().filter(|(_, is_taken)| *is_taken) {
        tx.enqueue(MailDigest { due_at: job.due_at, account_id })?;
    }
    Ok(Progress::More(GatherDigests { after: Some(last), ..job }))
}

/// Mails a member the digest, unless nothing is unread any more. A mail that the server refuses for good is not sent
/// again: the next digest follows.
pub async fn mail_digest(job: MailDigest, tx: &mut Tx) -> Result<Progress<MailDigest>, Failure> {
    let Recipient::Member(address) = recipient(tx, job.account_id).await? else { return Ok(Progress::Done) };
    let Unread { titles, count } = digests::unread_of(tx, job.account_id, NAMED).await?;
    if count == 0 || !digests::is_wanted(tx, job.account_id).await? {
        return Ok(Progress::Done);
    }
    match tx.resource::<Mailer>().send(&digest_of(job.account_id, job.due_at, &titles, count, &address)).await {
        Ok(()) | Err(Failure::Reject(_)) => Ok(Progress::Done),
        Err(failure) => Err(failure),
    }
}

/// Handles `get-digest`: whether an account wants the digest.
pub async fn get_digest(asked: GetDigest, store: ReadContext<Postgres>) -> HandlerResult<DigestView> {
    Ok(DigestView { wanted: digests::find_choice(&store, asked.account_id).await? })
}

/// Handles `choose-digest`: stores whether an account wants the digest.
pub async fn choose_digest(asked: ChooseDigest, tx: &mut Tx) -> HandlerResult<DigestView> {
    digests::put_choice(tx, asked.account_id, asked.wanted).await?;
    Ok(DigestView { wanted: asked.wanted })
}
