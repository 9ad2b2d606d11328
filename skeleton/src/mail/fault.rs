//! The errors of sending mail.

use crate::{
    failure::{Failure, Problem},
    partner::Fault,
};

/// The replies of a mail server that accepts no mail at all at present, from this client or any: it closes the
/// connection, throttles, or rejects the login (RFC 5321, RFC 4954, RFC 7504).
const TAKES_NO_MAIL: [u16; 8] = [421, 432, 454, 521, 530, 534, 535, 538];

/// The server's text may contain the address, so only the kind of error is kept.
pub(super) fn fault_of(error: &lettre::transport::smtp::Error) -> Fault {
    match error.status().map(u16::from) {
        Some(code) if TAKES_NO_MAIL.contains(&code) => Fault::Away(format!("accepts no mail at present: {code}")),
        Some(_) if error.is_permanent() => Fault::Answer(refused("the mail server permanently refused this mail")),
        Some(_) => Fault::Answer(Failure::retry("the mail server temporarily refused this mail")),
        None if error.is_timeout() => Fault::Away("timed out".to_owned()),
        None => Fault::Away("cannot be reached".to_owned()),
    }
}

pub(super) fn refused(detail: &str) -> Failure {
    Problem::new(422, "mail-refused", detail).into()
}
