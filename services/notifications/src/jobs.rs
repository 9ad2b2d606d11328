//! Mail, sent by jobs.

pub mod digest;
pub mod housekeeping;
pub mod mails;

use notifications_events::{DeliveredChannel, SendMail};
use skeleton::{Failure, Jobs, Progress, Publish, mail::Mailer, store::postgres::Tx};

use self::{
    digest::{gather_digests, mail_digest},
    mails::mail_of,
};
use crate::{
    events::{delivered, not_mailed},
    store::{self, Recipient},
};

/// The jobs of this service.
pub fn jobs() -> Jobs<Tx> {
    Jobs::new().on(send_mail).on(gather_digests).on(mail_digest)
}

/// Mails a notification. A crash between the mail server's reply and the commit sends the mail again, under the same
/// message id. If the server refuses it for good, the job is done.
async fn send_mail(job: SendMail, tx: &mut Tx) -> Result<Progress<SendMail>, Failure> {
    // Both are missing if the account has been erased in the meantime.
    let Recipient::Member(address) = store::recipient(tx, job.account_id).await? else { return Ok(Progress::Done) };
    let Some(notification) = store::find(tx, job.notification_id).await? else { return Ok(Progress::Done) };
    match tx.resource::<Mailer>().send(&mail_of(&notification, &address)).await {
        Ok(()) => tx.publish(delivered(&notification, DeliveredChannel::Email, tx.now()))?,
        Err(Failure::Reject(problem)) => tx.publish(not_mailed(&notification, problem.detail, tx.now()))?,
        Err(failure) => return Err(failure),
    }
    Ok(Progress::Done)
}
