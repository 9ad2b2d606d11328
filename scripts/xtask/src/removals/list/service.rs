//! Mechanisms of the service: start, stop, supervision, HTTP, TLS.

use super::Removal;

pub const REMOVALS: &[Removal] = &[
    Removal {
        name: "drain",
        without: "messages in progress are aborted on shutdown",
        file: "skeleton/src/service/running.rs",
        find: "let deadline = Instant::now() + self.drain;",
        replace: "let _ = self.drain;\n        let deadline = Instant::now();",
        test: "replicas::a_message_in_hand_when_the_stop_comes_has_its_effect_once_and_is_acknowledged",
    },
    Removal {
        name: "notice",
        without: "the public port closes before a load balancer notices",
        file: "skeleton/src/service/running.rs",
        find: "self.give_notice().await;",
        replace: "let _ = Self::give_notice;",
        test: "replicas::during_the_notice_readiness_is_off_and_requests_are_answered_and_told_to_go_elsewhere",
    },
    Removal {
        name: "saga-time-out",
        without: "a timeout that was replaced takes effect",
        file: "skeleton/src/saga/finding.rs",
        find: "job.is_some() && saga.row.timeout.map(|it| it.message) == job",
        replace: "job.is_some() && saga.row.timeout.is_some()",
        test: "sagas::a_time_out_that_was_replaced_has_no_effect_even_when_it_had_gone_out",
    },
    Removal {
        name: "revocations",
        without: "the token of an ended session is accepted until it expires",
        file: "skeleton/src/http/auth.rs",
        find: "if revocations.is_revoked(&claims).await? { Err(unauthorized()) } else { Ok(claims) }",
        replace: "revocations.is_revoked(&claims).await.map(|_| claims)",
        test: "auth::a_revoked_token_is_refused_and_unreadable_revocations_are_no_reason_to_accept_one",
    },
    Removal {
        name: "clean-up-to-the-last",
        without: "the inbox grows without bound",
        file: "skeleton/src/expiry.rs",
        find: "let is_last = batch < BATCH.unsigned_abs();",
        replace: "let is_last = batch < u64::MAX;",
        test: "expiry::a_backlog_of_expired_entries_goes_to_the_last_while_the_service_works",
    },
    Removal {
        name: "supervision",
        without: "a background task that returns is not restarted",
        file: "skeleton/src/supervision.rs",
        find: "if stop.is_stopped() {\n            return;",
        replace: "if stop.is_stopped() || ended.is_ok() {\n            return;",
        test: "panics::a_background_task_that_panics_or_returns_is_started_again",
    },
    Removal {
        name: "tls-to-other-machines",
        without: "passwords and data are sent to another machine in plain text",
        file: "skeleton/src/tls.rs",
        find: "match self.allow_plaintext || is_loopback(host) {",
        replace: "match self.allow_plaintext || !host.is_empty() {",
        test: "tls::plain_text_to_another_machine_is_refused_before_anything_is_sent",
    },
    Removal {
        name: "masking-panics",
        without: "the text of a panic shows an e-mail address in the listing of parked messages",
        file: "skeleton/src/panics/mod.rs",
        find: "cut(&mask::masked(text), MAX_TEXT)",
        replace: "cut(&mask::masked(text).replace(events::MASK, text), MAX_TEXT)",
        test: "panics::a_message_whose_handler_panicked_is_parked_with_the_masked_text_and_the_stack",
    },
];
