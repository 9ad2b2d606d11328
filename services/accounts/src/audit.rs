//! Logs and counts sign-ins and refreshes that were refused: where to look when somebody guesses passwords or has stolen
//! a token. No line holds an address or a token.

use metrics::counter;
use tracing::{info, warn};
use uuid::Uuid;

use crate::domain::Session;

/// A sign-in, or another proof of a password, was refused. The account is given where the address has one.
pub fn sign_in_refused(reason: &'static str, account: Option<Uuid>) {
    counter!("sign_ins_refused_total", "reason" => reason).increment(1);
    info!(account.id = account.map(tracing::field::display), reason, "sign-in refused");
}

/// A refresh token was refused. The session is given where the token belongs to one.
pub fn refresh_refused(reason: &'static str, session: Option<&Session>) {
    counter!("refreshes_refused_total", "reason" => reason).increment(1);
    let (session, account) = (session.map(|known| known.id), session.map(|known| known.account_id));
    info!(
        session.id = session.map(tracing::field::display),
        account.id = account.map(tracing::field::display),
        reason,
        "refresh token refused"
    );
}

/// A refresh token was used twice: one of its two holders has stolen it. Its session ends.
pub fn token_reused(session: &Session) {
    counter!("refreshes_refused_total", "reason" => "reused").increment(1);
    warn!(
        session.id = %session.id,
        account.id = %session.account_id,
        reason = "reused",
        "refresh token used twice: its session has been ended"
    );
}
