//! Mechanisms of the consumers.

use super::Removal;

pub const REMOVALS: &[Removal] = &[
    Removal {
        name: "inbox",
        without: "a redelivered message is handled again",
        file: "skeleton/src/messaging/consumer/handling.rs",
        find: "if !tx.is_new(call.envelope.id) || !seen.insert(call.envelope.id) {",
        replace: "if !seen.insert(call.envelope.id) {",
        test: "messaging::an_event_delivered_three_times_has_one_effect",
    },
    Removal {
        name: "drain-of-a-batch",
        without: "a stopping replica processes the rest of a failed batch, however long it takes",
        file: "skeleton/src/messaging/consumer/mod.rs",
        find: "if stop.is_stopped() || !self.finish(message, stop).await {",
        replace: "if !self.finish(message, stop).await {",
        test: "replicas::of_a_batch_that_failed_what_is_not_begun_when_the_stop_comes_is_left_to_another_replica",
    },
    Removal {
        name: "numbers-used-twice",
        without: "events of a producer restored from a backup are silently skipped",
        file: "skeleton/src/messaging/consumer/handling.rs",
        find: "if !lines.is_numbered_again(tx, call.order, place, *time).await? {",
        replace: "if !lines.is_numbered_again(tx, call.order, place, *time).await? || self.park_all || !self.park_all {",
        test: "restored::in_order_an_event_with_a_number_of_another_is_parked_and_handled_when_it_is_redriven",
    },
    Removal {
        name: "taking-back-a-note",
        without: "a pause counts as an attempt, and a message is parked as a crash loop while a partner is away",
        file: "skeleton/src/messaging/consumer/mod.rs",
        find: "self.take_note_back(message, suspect.as_ref()).await;",
        replace: "let _ = Self::take_note_back;\n                *suspect = None;",
        test: "pauses::a_message_that_was_handed_out_often_is_no_crash_loop_while_a_partner_is_away",
    },
    Removal {
        name: "pausing-by-name",
        without: "one message whose partner is away stops all retries of its queue",
        file: "skeleton/src/messaging/consumer/retrying.rs",
        find: "let name = if self.store.ping().await.is_ok() { name } else { None };",
        replace: "let name = name.filter(|_| self.retry.poll_ms == 0);",
        test: "pauses::while_a_partner_is_away_retries_of_what_does_not_need_it_go_on",
    },
    Removal {
        name: "reduced-form",
        without: "a message that the store refuses blocks all messages behind it",
        file: "skeleton/src/messaging/consumer/aside.rs",
        find: "Err(refused) if matches!(refused.kind, StoreErrorKind::Broken | StoreErrorKind::Unstorable) => {",
        replace: "Err(refused) if refused.kind == StoreErrorKind::Broken && entry.queue.is_empty() => {",
        test: "unkeepable::a_message_that_the_store_refuses_is_parked_in_a_reduced_form",
    },
    Removal {
        name: "moving-on-after-a-drop",
        without: "events after a dropped event wait forever",
        file: "skeleton/src/messaging/consumer/dropping.rs",
        find: "Ok(Ended::Done) => self.commit(tx).await?,",
        replace: "Ok(Ended::Done) => tx.rollback().await,",
        test: "dropping::a_dropped_event_has_no_effect_is_counted_is_not_parked_and_holds_up_nothing_behind_it",
    },
];
