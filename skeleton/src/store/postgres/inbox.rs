//! Cleaning up the inbox.

/// Deletes messages received before the deduplication window of 14 days.
pub(super) const FORGET: &str = "delete from skeleton.inbox where message_id = any(array(
    select message_id from skeleton.inbox where taken_in_at < now() - interval '14 days' order by taken_in_at limit $1))";
