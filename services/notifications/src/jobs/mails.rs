//! The mails: a notification and advice on it, and the digest.

use chrono::{DateTime, Utc};
use skeleton::mail::Mail;
use uuid::Uuid;

use crate::domain::{Kind, Notification, amount};

/// The mail for a notification; always the same mail for the same notification.
pub fn mail_of(notification: &Notification, to: &str) -> Mail {
    let text = format!("Hello,\n\n{}\n\n{}\n\n--\n{FOOTER}\n", notification.body, advice(notification.kind));
    Mail { to: to.to_owned(), subject: notification.title.clone(), text, id: notification.id.to_string() }
}

/// The mail about an account's unread notifications. The same digest always has the same id.
pub fn digest_of(account: Uuid, due_at: DateTime<Utc>, titles: &[String], count: i64, to: &str) -> Mail {
    let unread = amount(u32::try_from(count).unwrap_or(u32::MAX), "unread notification", "unread notifications");
    let named: String = titles.iter().map(|title| format!("- {title}\n")).collect();
    let more = count - i64::try_from(titles.len()).unwrap_or(count);
    let rest = if more > 0 { format!("and {more} more\n") } else { String::new() };
    let text =
        format!("Hello,\n\nYou have {unread}:\n\n{named}{rest}\nSign in to Kith to read them.\n\n--\n{FOOTER}\n");
    let id = format!("digest-{}-{account}", due_at.format("%Y%m%dT%H%M%S"));
    Mail { to: to.to_owned(), subject: format!("You have {unread}"), text, id }
}

const FOOTER: &str = "You are receiving this e-mail because you have a Kith account.
You can choose which e-mails you receive in Kith, under Notifications.";

fn advice(kind: Kind) -> &'static str {
    match kind {
        Kind::ImportFinished => "Sign in to Kith to see your contacts.",
        Kind::ImportFailed => "Your contacts have not changed. Sign in to Kith to try another file.",
        Kind::ContactJoined => "Sign in to Kith to see how you are connected.",
        Kind::NewDevice => {
            "To change it, sign in to Kith and open your profile. All other devices will be signed out.
If this was you, you can ignore this e-mail."
        }
    }
}
