//! The safety mechanisms: where each is in the source, what is there without it, and the test that misses it.

/// One mechanism. To add one: its lines as they are, the least change that takes it away and still builds, and a test
/// that is red then.
pub struct Removal {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What goes wrong without it.
    pub without: &'static str,
    /// Where it is.
    pub file: &'static str,
    /// The text that makes it work; it is there once.
    pub find: &'static str,
    /// What is put in its place.
    pub replace: &'static str,
    /// The test that turns red, one of `skeleton-tests`.
    pub test: &'static str,
}

/// All of them.
pub const REMOVALS: &[Removal] = &[
    Removal {
        name: "inbox",
        without: "a message that comes again is handled again",
        file: "skeleton/src/messaging/consumer.rs",
        find: "if !tx.is_new(envelope.id) || handled.contains(&envelope.id) {",
        replace: "if handled.contains(&envelope.id) {",
        test: "messaging::an_event_delivered_three_times_has_one_effect",
    },
    Removal {
        name: "mandatory",
        without: "a job whose queue is missing is confirmed and gone",
        file: "skeleton/src/messaging/rabbit/publisher.rs",
        find: "BasicPublishOptions { mandatory: true, ..Default::default() }",
        replace: "BasicPublishOptions { mandatory: false, ..Default::default() }",
        test: "relay::a_job_whose_queue_is_missing_stays_in_the_outbox_and_goes_out_once_there_is_one",
    },
    Removal {
        name: "confirms",
        without: "what was sent to a broker that dies is forgotten",
        file: "skeleton/src/messaging/rabbit/publisher.rs",
        find: "match tokio::time::timeout(self.confirm_timeout, confirm).await {",
        replace: "drop(confirm);\n        match Ok::<lapin::Result<Confirmation>, ()>(Ok(Confirmation::Ack(None))) {",
        test: "relay::what_a_broker_that_died_has_not_confirmed_is_sent_again",
    },
    Removal {
        name: "relay-fencing-postgres",
        without: "a relay that has lost its lock removes what another is sending",
        file: "skeleton/src/store/postgres/outbox.rs",
        find: "let removed = within(LIMIT, session.client.execute(&session.remove, &[&positions])).await;",
        replace: "let _ = &session.remove;\n        let sql = \"delete from skeleton.outbox where position = any($1)\";\n        let removed = self.execute(sql, &[&positions]).await;",
        test: "relay::a_relay_that_has_lost_its_lock_cannot_remove_what_another_is_sending",
    },
    Removal {
        name: "relay-fencing-neo4j",
        without: "a relay whose lease has ended removes what another is sending",
        file: "skeleton/src/store/neo4j/outbox.rs",
        find: "    WITH lease WHERE lease.holder = $holder AND lease.expires_at >= datetime()\n    UNWIND",
        replace: "    WITH lease, $holder AS holder\n    UNWIND",
        test: "neo4j::one_replica_relays_and_another_takes_over_when_its_lease_has_ended",
    },
    Removal {
        name: "order",
        without: "an event is handled before the one before it",
        file: "skeleton/src/messaging/order.rs",
        find: "if order == Order::InOrder && place.number > last + 1 {",
        replace: "if order == Order::InOrder && place.number > last + 1 && last < 0 {",
        test: "order::what_comes_too_early_waits_for_what_is_before_it",
    },
    Removal {
        name: "drain",
        without: "what is in hand when the stop comes is cut off",
        file: "skeleton/src/service/running.rs",
        find: "let deadline = Instant::now() + self.drain;",
        replace: "let _ = self.drain;\n        let deadline = Instant::now();",
        test: "replicas::a_message_in_hand_when_the_stop_comes_has_its_effect_once_and_is_acknowledged",
    },
    Removal {
        name: "drain-of-a-batch",
        without: "a replica that stops works off the rest of a batch that failed, however long",
        file: "skeleton/src/messaging/consumer.rs",
        find: "if stop.is_stopped() || !self.finish(message, stop).await {",
        replace: "if !self.finish(message, stop).await {",
        test: "replicas::of_a_batch_that_failed_what_is_not_begun_when_the_stop_comes_is_left_to_another_replica",
    },
    Removal {
        name: "handing-back",
        without: "requests behind the one in hand wait for a replica that stops",
        file: "skeleton/src/messaging/requests/server.rs",
        find: "hand_back(&channel, &mut requests).await;",
        replace: "let _ = hand_back;",
        test: "replicas::a_request_in_hand_when_the_stop_comes_is_answered_and_those_behind_it_go_to_another_replica_at_once",
    },
    Removal {
        name: "notice",
        without: "the public port closes before a balancer can know",
        file: "skeleton/src/service/running.rs",
        find: "self.give_notice().await;",
        replace: "let _ = Self::give_notice;",
        test: "replicas::during_the_notice_readiness_is_off_and_requests_are_answered_and_told_to_go_elsewhere",
    },
    Removal {
        name: "lease-fence",
        without: "a leader that was paused writes after its successor",
        file: "skeleton/src/store/postgres/leases.rs",
        find: "held.map(drop).ok_or_else(|| lease.lost())",
        replace: "let _ = (held, lease.lost());\n        Ok(())",
        test: "leases::a_leader_that_was_stopped_and_goes_on_writes_nothing_after_its_successor",
    },
    Removal {
        name: "one-run-a-due-time",
        without: "each replica runs what is due",
        file: "skeleton/src/store/postgres/schedules.rs",
        find: "Ok(self.execute(NOTE, &[&name, &run.due_at, &run.noted_at, &run.job]).await? > 0)",
        replace: "self.execute(NOTE, &[&name, &run.due_at, &run.noted_at, &run.job]).await?;\n        Ok(true)",
        test: "schedules::eight_replicas_run_each_due_time_once_when_the_clock_jumps_forward_and_back",
    },
    Removal {
        name: "job-limit",
        without: "more jobs run at a time than are allowed",
        file: "skeleton/src/store/postgres/jobs.rs",
        find: "&& !take_slot(self, job, name, limit).await?",
        replace: "&& !take_slot(self, job, name, limit).await?\n            && limit == 0",
        test: "jobs::over_all_replicas_no_more_run_than_the_settings_allow_and_all_come_to_their_end",
    },
    Removal {
        name: "job-cancelling",
        without: "a cancelled job goes on",
        file: "skeleton/src/store/postgres/jobs.rs",
        find: "if row.get(2) {",
        replace: "if row.get::<_, bool>(2) && now.timestamp() < 0 {",
        test: "jobs::a_cancelled_job_runs_no_further_step_and_cleans_up_once",
    },
    Removal {
        name: "delays-one-mover",
        without: "delayed jobs that are due later overtake those due before",
        file: "skeleton/src/store/postgres/delays.rs",
        find: "if !locked.get::<_, bool>(0) {",
        replace: "if !locked.get::<_, bool>(0) && limit < 0 {",
        test: "delays::one_replica_moves_at_a_time_and_a_crash_in_the_middle_loses_nothing",
    },
    Removal {
        name: "delays-waking",
        without: "a short delay becomes half a second",
        file: "skeleton/src/store/work.rs",
        find: "self.service.delays.notify_one();",
        replace: "let _ = &self.service.delays;",
        test: "delays::a_short_delay_wakes_the_loop_that_sleeps",
    },
    Removal {
        name: "saga-lock",
        without: "two steps of one saga are taken at once, and one is lost",
        file: "skeleton/src/store/postgres/sagas.rs",
        find: "from skeleton.sagas where name = $1 and saga_id = $2 for update\"",
        replace: "from skeleton.sagas where name = $1 and saga_id = $2\"",
        test: "sagas::who_finds_a_saga_waits_for_whoever_takes_a_step",
    },
    Removal {
        name: "saga-time-out",
        without: "a time-out that was replaced has its effect",
        file: "skeleton/src/saga.rs",
        find: "job.is_some() && saga.row.timeout.map(|it| it.message) == job",
        replace: "job.is_some() && saga.row.timeout.is_some()",
        test: "sagas::a_time_out_that_was_replaced_has_no_effect_even_when_it_had_gone_out",
    },
    Removal {
        name: "confirmation-id",
        without: "a confirmation that is sent again is another event",
        file: "skeleton/src/store/elasticsearch/confirm.rs",
        find: "id: Uuid::new_v5(&cause.id, name.as_bytes()),",
        replace: "id: service.surroundings.new_message_id(),",
        test: "elasticsearch::confirming::an_erasure_is_confirmed_with_what_it_removed_and_a_repeat_is_the_same_event",
    },
];
