//! Conversion of accounts and sessions to events.

use accounts_events::{
    Erased, ErasedPart, ErasureFinished, ProfileChanged, Registered, SessionEnded, SessionEndedReason, SignedIn,
};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::{Account, Confirmed, Device, Erasure, Part, Session};

impl From<&Account> for Registered {
    fn from(account: &Account) -> Self {
        Self {
            account_id: account.id,
            email: account.email.as_str().to_owned(),
            name: account.name.as_str().to_owned(),
            discoverable: account.discoverable,
            nameable: account.nameable,
            registered_at: account.created_at,
        }
    }
}

/// An account has changed.
pub fn profile_changed(account: &Account, changed_at: DateTime<Utc>) -> ProfileChanged {
    ProfileChanged {
        account_id: account.id,
        email: account.email.as_str().to_owned(),
        name: account.name.as_str().to_owned(),
        discoverable: account.discoverable,
        nameable: account.nameable,
        changed_at,
    }
}

/// A session has begun.
pub fn signed_in(session: &Session, device: &Device, new_device: bool, signed_in_at: DateTime<Utc>) -> SignedIn {
    SignedIn {
        account_id: session.account_id,
        session_id: session.id,
        device: device.as_str().to_owned(),
        new_device,
        signed_in_at,
    }
}

/// A session has ended.
pub fn session_ended(session: &Session, reason: SessionEndedReason) -> SessionEnded {
    SessionEnded {
        account_id: session.account_id,
        session_id: session.id,
        reason,
        tokens_expire_at: session.tokens_expire_at,
    }
}

/// An account was erased here.
pub fn erased(account_id: Uuid, erased_at: DateTime<Utc>) -> Erased {
    Erased { account_id, erased_at }
}

/// All services have confirmed an erasure.
pub fn erasure_finished(account_id: Uuid, erasure: &Erasure, finished_at: DateTime<Utc>) -> ErasureFinished {
    let part = |(part, confirmed): (Part, Option<Confirmed>)| {
        let Confirmed { erased_at, removed } = confirmed?;
        Some(ErasedPart { service: part.service.to_owned(), erased_at, removed })
    };
    let (begun_at, reminders) = (erasure.begun_at, u64::from(erasure.reminders));
    ErasureFinished { account_id, begun_at, finished_at, reminders, parts: erasure.parts().filter_map(part).collect() }
}
