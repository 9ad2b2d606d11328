//! Conversion of notifications to events, jobs and views.

use chrono::{DateTime, Utc};
use notifications_events::{
    Delivered, DeliveredChannel, DeliveredKind, Failed, FailedChannel, FailedKind, NoticeKind, PreferenceKind, SendMail,
};

use crate::domain::{Kind, Notification};

/// A notification was delivered.
pub fn delivered(notification: &Notification, channel: DeliveredChannel, delivered_at: DateTime<Utc>) -> Delivered {
    Delivered {
        notification_id: notification.id,
        account_id: notification.account_id,
        kind: notification.kind.into(),
        title: notification.title.clone(),
        body: notification.body.clone(),
        channel,
        delivered_at,
    }
}

/// A notification could not be mailed and will not be retried.
pub fn not_mailed(notification: &Notification, reason: String, failed_at: DateTime<Utc>) -> Failed {
    Failed {
        notification_id: notification.id,
        account_id: notification.account_id,
        kind: notification.kind.into(),
        channel: FailedChannel::Email,
        reason,
        failed_at,
    }
}

impl From<&Notification> for SendMail {
    fn from(notification: &Notification) -> Self {
        Self { notification_id: notification.id, account_id: notification.account_id }
    }
}

impl From<Kind> for DeliveredKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::ImportFinished => Self::ImportFinished,
            Kind::ImportFailed => Self::ImportFailed,
            Kind::ContactJoined => Self::ContactJoined,
            Kind::NewDevice => Self::NewDevice,
        }
    }
}

impl From<Kind> for FailedKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::ImportFinished => Self::ImportFinished,
            Kind::ImportFailed => Self::ImportFailed,
            Kind::ContactJoined => Self::ContactJoined,
            Kind::NewDevice => Self::NewDevice,
        }
    }
}

impl From<Kind> for NoticeKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::ImportFinished => Self::ImportFinished,
            Kind::ImportFailed => Self::ImportFailed,
            Kind::ContactJoined => Self::ContactJoined,
            Kind::NewDevice => Self::NewDevice,
        }
    }
}

impl From<Kind> for PreferenceKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::ImportFinished => Self::ImportFinished,
            Kind::ImportFailed => Self::ImportFailed,
            Kind::ContactJoined => Self::ContactJoined,
            Kind::NewDevice => Self::NewDevice,
        }
    }
}

impl From<PreferenceKind> for Kind {
    fn from(kind: PreferenceKind) -> Self {
        match kind {
            PreferenceKind::ImportFinished => Self::ImportFinished,
            PreferenceKind::ImportFailed => Self::ImportFailed,
            PreferenceKind::ContactJoined => Self::ContactJoined,
            PreferenceKind::NewDevice => Self::NewDevice,
        }
    }
}
