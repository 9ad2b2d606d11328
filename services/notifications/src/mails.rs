//! The mails: a notification, and what to do about it.

use skeleton::mail::Mail;

use crate::domain::{Kind, Notification};

/// The mail that tells a notification. The same notification is always the same mail.
pub fn mail_of(notification: &Notification, to: &str) -> Mail {
    let text = format!("Hello,\n\n{}\n\n{}\n\n--\n{FOOTER}\n", notification.body, advice(notification.kind));
    Mail { to: to.to_owned(), subject: notification.title.clone(), text, id: notification.id.to_string() }
}

const FOOTER: &str = "Kith sends you this because you have an account.
You can choose what is mailed to you in Kith, under Notifications.";

fn advice(kind: Kind) -> &'static str {
    match kind {
        Kind::ImportFinished => "Sign in to Kith to see your contacts.",
        Kind::ImportFailed => "Nothing was changed. Sign in to Kith to try another file.",
        Kind::ContactJoined => "Sign in to Kith to see how you are connected.",
        Kind::NewDevice => {
            "If it was you, there is nothing to do.
If not: sign in to Kith, open your profile and choose a new password. Every other device is signed out then."
        }
    }
}
