//! Logs and counts refused sign-ins and refreshes, to detect password guessing and stolen tokens. No log line holds an
//! address or a token.

use metrics::counter;
use tracing::{info, warn};
use uuid::Uuid;

use crate::domain::Session;

/// Records a refused sign-in, or another refused proof of a password, with the address's account if there is one.
pub fn sign_in_refused(reason: &'static str, account: Option<Uuid>) {
    counter!("sign_ins_refused_total", "reason" => reason).increment(1);
    info!(account.id = account.map(tracing::field::display), reason, "sign-in refused");
}

/// Records a refused refresh token, with its session if it belongs to one.
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

/// Records a refresh token that was used twice, which means it was stolen. Its session ends.
pub fn token_reused(session: &Session) {
    counter!("refreshes_refused_total", "reason" => "reused").increment(1);
    warn!(
        session.id = %session.id,
        account.id = %session.account_id,
        reason = "reused",
        "refresh token used twice: its session has been ended"
    );
}
