//! Mechanisms of relay, broker and requests.

use super::Removal;

pub const REMOVALS: &[Removal] = &[
    Removal {
        name: "mandatory",
        without: "a job whose queue is missing is confirmed and lost",
        file: "skeleton/src/messaging/rabbit/publisher.rs",
        find: "BasicPublishOptions { mandatory: true, ..Default::default() }",
        replace: "BasicPublishOptions { mandatory: false, ..Default::default() }",
        test: "relay::a_job_whose_queue_is_missing_stays_in_the_outbox_and_goes_out_once_there_is_one",
    },
    Removal {
        name: "confirms",
        without: "messages sent to a broker that crashes are lost",
        file: "skeleton/src/messaging/rabbit/publisher.rs",
        find: "match tokio::time::timeout(self.confirm_timeout, confirm).await {",
        replace: "drop(confirm);\n        match Ok::<lapin::Result<Confirmation>, ()>(Ok(Confirmation::Ack(None))) {",
        test: "relay::what_a_broker_that_died_has_not_confirmed_is_sent_again",
    },
    Removal {
        name: "postponing",
        without: "unroutable messages block all messages behind them",
        file: "skeleton/src/messaging/relay.rs",
        find: "self.store.postpone(&later).await?;",
        replace: "let _ = S::postpone;",
        test: "postponed::more_jobs_than_a_window_that_no_queue_takes_hold_nothing_up_and_go_out_in_their_order",
    },
    Removal {
        name: "overtaking",
        without: "an event overtakes an unroutable event of its subject",
        file: "skeleton/src/messaging/relay.rs",
        find: "if overtakes || postponed.is_blocked(row) {",
        replace: "if (overtakes && key == 0) || postponed.is_blocked(row) {",
        test: "postponed::an_event_does_not_overtake_one_of_its_subject_that_no_queue_takes_and_others_do",
    },
    Removal {
        name: "order",
        without: "an event is handled before its predecessor",
        file: "skeleton/src/messaging/order.rs",
        find: "if order == Order::InOrder && place.number > last + 1 {",
        replace: "if order == Order::InOrder && place.number > last + 1 && last < 0 {",
        test: "order::what_comes_too_early_waits_for_what_is_before_it",
    },
    Removal {
        name: "handing-back",
        without: "prefetched requests wait for a stopping replica",
        file: "skeleton/src/messaging/requests/server.rs",
        find: "hand_back(&channel, &mut requests, waiting).await;",
        replace: "let _ = (hand_back, waiting);",
        test: "replicas::a_request_in_hand_when_the_stop_comes_is_answered_and_those_behind_it_go_to_another_replica_at_once",
    },
    Removal {
        name: "time-left-from-receipt",
        without: "a request whose caller no longer waits is handled",
        file: "skeleton/src/messaging/requests/server.rs",
        find: "unwrap_or(DEFAULT_TIME).saturating_sub(self.at.elapsed())",
        replace: "map_or(DEFAULT_TIME, |_| DEFAULT_TIME.saturating_sub(self.at.elapsed()))",
        test: "clocks::a_request_whose_time_is_over_is_dropped_and_counted_whatever_the_clocks_say",
    },
    Removal {
        name: "giving-up-who-answers-late",
        without: "an abandoned consumer holds messages",
        file: "skeleton/src/messaging/rabbit/link.rs",
        find: "if begun.is_err() && channel.status().connected() {",
        replace: "if begun.is_err() && generation == 0 {",
        test: "requests::what_the_broker_answers_too_late_leaves_no_consumer_that_nobody_reads",
    },
    Removal {
        name: "identity-of-the-unreadable",
        without: "unreadable messages with the same data are kept as one",
        file: "skeleton/src/messaging/rabbit/mod.rs",
        find: "let Some(mark) = headers.mark() else { return Uuid::new_v4() };",
        replace: "let mark = headers.mark().unwrap_or_default();",
        test: "unkeepable::three_unreadable_messages_with_the_same_data_are_three",
    },
];
