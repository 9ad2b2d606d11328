//! Mechanisms of the other stores, and of what the stores share.

use super::Removal;

pub const REMOVALS: &[Removal] = &[
    Removal {
        name: "subject-limit",
        without: "a subject too long for the broker or an index is accepted",
        file: "skeleton/src/store/work.rs",
        find: "checks::subject(subject.as_deref())?;",
        replace: "let _ = checks::subject;",
        test: "written::a_subject_or_a_key_that_broker_or_store_would_refuse_is_refused_with_the_limit",
    },
    Removal {
        name: "schema-at-write",
        without: "data that violates its schema is published",
        file: "skeleton/src/store/work.rs",
        find: "checks::schema::<M>(body.as_bytes())?;",
        replace: "let _ = checks::schema::<M>;",
        test: "written::what_breaks_its_schema_is_not_published_and_the_error_names_the_field_and_not_the_value",
    },
    Removal {
        name: "relay-fencing-neo4j",
        without: "a relay whose lease has expired removes messages that another is publishing",
        file: "skeleton/src/store/neo4j/outbox.rs",
        find: "    WITH lease WHERE lease.holder = $holder AND lease.expires_at >= datetime()\n    UNWIND",
        replace: "    WITH lease, $holder AS holder\n    UNWIND",
        test: "neo4j::one_replica_relays_and_another_takes_over_when_its_lease_has_ended",
    },
    Removal {
        name: "delays-waking",
        without: "a short delay takes half a second",
        file: "skeleton/src/store/work.rs",
        find: "self.service.delays.notify_one();",
        replace: "let _ = &self.service.delays;",
        test: "delays::a_short_delay_wakes_the_loop_that_sleeps",
    },
    Removal {
        name: "confirmation-id",
        without: "a repeated confirmation is a different event",
        file: "skeleton/src/store/elasticsearch/confirm.rs",
        find: "id: Uuid::new_v5(&cause.id, name.as_bytes()),",
        replace: "id: service.environment.new_message_id(),",
        test: "elasticsearch::confirming::an_erasure_is_confirmed_with_what_it_removed_and_a_repeat_is_the_same_event",
    },
    Removal {
        name: "unchecked-bolt",
        without: "Neo4j's certificate is not checked",
        file: "skeleton/src/store/neo4j/settings.rs",
        find: "if scheme.ends_with(\"+ssc\") {",
        replace: "if scheme.is_empty() {",
        test: "tls::neo4j_is_reached_with_tls_and_its_certificate_is_checked",
    },
    Removal {
        name: "keepable-text",
        without: "the store refuses a message with a NUL in a header",
        file: "skeleton/src/store/set_aside.rs",
        find: "if text.contains('\\0') {",
        replace: "if text.contains('\\0') && most == 0 {",
        test: "unkeepable::a_nul_in_a_header_a_subject_or_a_refusal_stops_nothing_and_is_kept",
    },
    Removal {
        name: "one-clock-elasticsearch",
        without: "a service with a wrong clock retries in a loop, or an hour late",
        file: "skeleton/src/store/elasticsearch/set_aside/changing.rs",
        find: "if (params.wait_ms != null) {",
        replace: "if (params.wait_ms != null && ctx._now == 0) {",
        test: "elasticsearch::set_aside::when_a_message_is_due_does_not_depend_on_the_clock_of_the_service",
    },
];
