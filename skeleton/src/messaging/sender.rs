//! The sender of a message: the broker's user that published it. The broker refuses any other value of `user_id`, so it
//! is the only statement about a message's origin that a sender cannot forge.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::failure::Problem;

/// The header under which the sender of a set-aside message is kept. Always written, so that a header of this name in
/// the message itself has no effect.
pub(crate) const KEPT_AS: &str = "amqp:user_id";

/// The status of a forged message.
pub(crate) const FORGED: u16 = 403;

/// The service that owns a message's name.
fn owner_of(name: &str) -> &str {
    name.split_once('.').map_or(name, |(owner, _)| owner)
}

/// Checks that the service that owns an event's or a job's name has sent it. Without this check, the right to publish
/// to one exchange would be the right to publish any event, because a queue's handlers are selected by name.
pub(crate) fn check(name: &str, user: Option<&str>) -> Result<(), Problem> {
    let owner = owner_of(name);
    let sender = match user {
        Some(user) if user == owner => return Ok(()),
        Some(user) => format!("was published by {user}"),
        None => "was published without a user_id".to_owned(),
    };
    Err(Problem::new(FORGED, "forged-message", format!("{name} {sender}: only {owner} may publish it")))
}

/// Checks a message that was set aside. Messages that an older build set aside have no sender.
pub(crate) fn check_kept(name: &str, headers: &BTreeMap<String, String>) -> Result<(), Problem> {
    headers.get(KEPT_AS).map_or(Ok(()), |user| check(name, Some(user.as_str()).filter(|user| !user.is_empty())))
}

/// Whether two set-aside messages have the same sender. Messages that an older build set aside have none, and count as
/// the same.
pub(crate) fn is_same(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> bool {
    one.get(KEPT_AS).zip(other.get(KEPT_AS)).is_none_or(|(one, other)| one == other)
}

/// An id for a message whose own id is used by another sender.
pub(crate) fn own_id(headers: &BTreeMap<String, String>, id: Uuid) -> Uuid {
    let sender = headers.get(KEPT_AS).map_or("", String::as_str);
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{sender}\n{id}").as_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_of_a_name_may_send_it() {
        assert!(check("accounts.erased.v1", Some("accounts")).is_ok());
        for user in [Some("network"), Some("accounts.erased"), Some(""), None] {
            assert_eq!(check("accounts.erased.v1", user).unwrap_err().status, 403, "{user:?}");
        }
    }
}
