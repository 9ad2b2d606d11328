//! Those of rows 42 to 52 that tests show.

use super::row::{Row, Test};

const SKELETON: &str = "skeleton-tests";
const SEARCH: &str = "search-tests";
const NETWORK: &str = "network-tests";
const NOTIFICATIONS: &str = "notifications-tests";

/// The rows of databases that tests show.
pub fn rows() -> Vec<Row> {
    [transactions(), documents(), builds()].concat()
}

/// Faults of a transaction and of its callers.
fn transactions() -> Vec<Row> {
    vec![
        Row::tested(
            42,
            "the response to a commit lost",
            &[
                Test(SKELETON, "databases::an_event_whose_commit_was_never_answered_has_one_effect"),
                Test(
                    SKELETON,
                    "databases::an_order_whose_commit_was_never_answered_is_followed_once_when_it_is_given_again",
                ),
            ],
        ),
        Row::tested(
            43,
            "a transaction left open",
            &[Test(SKELETON, "databases::a_transaction_that_is_left_open_is_cut_and_holds_nobody_up")],
        ),
        Row::tested(
            44,
            "deadlocked transactions",
            &[
                Test(SKELETON, "databases::transactions_that_wait_for_each_other_are_tried_again_and_count_once"),
                Test(SKELETON, "neo4j::two_transactions_that_wait_for_each_other_are_told_to_try_again"),
            ],
        ),
        Row::tested(
            46,
            "Neo4j does not respond",
            &[Test(SKELETON, "neo4j::a_server_that_stops_answering_holds_nobody_up_and_is_used_again_when_it_is_back")],
        ),
    ]
}

/// What an index accepts, and what it must no longer accept.
fn documents() -> Vec<Row> {
    vec![
        Row::tested(
            48,
            "Elasticsearch too busy, a bulk request partly rejected, a read-only index",
            &[
                Test(
                    SKELETON,
                    "elasticsearch::writing::a_write_that_the_server_was_too_busy_for_is_sent_again_within_the_commit",
                ),
                Test(
                    SKELETON,
                    "elasticsearch::writing::of_a_batch_the_good_is_written_and_the_bad_is_named_without_its_values",
                ),
                Test(SKELETON, "elasticsearch::writing::a_blocked_index_is_waited_for_and_nothing_is_lost"),
            ],
        ),
        Row::tested(
            49,
            "an erased account, and late messages about it",
            &[
                Test(SEARCH, "consuming::of_an_erased_account_nothing_is_found_whatever_comes_late"),
                Test(NETWORK, "accounts::an_account_that_was_erased_first_never_comes_back"),
                Test(NOTIFICATIONS, "news::of_an_erased_account_nothing_is_kept_and_what_comes_late_is_dropped"),
            ],
        ),
    ]
}

/// Changes of a store's structure by builds.
fn builds() -> Vec<Row> {
    vec![
        Row::tested(
            50,
            "three replicas that migrate at once",
            &[
                Test(SKELETON, "messaging::three_replicas_that_start_at_once_migrate_once"),
                Test(SKELETON, "neo4j::three_replicas_that_start_at_once_migrate_once"),
                Test(SKELETON, "elasticsearch::indices::three_replicas_that_start_at_once_make_each_index_once"),
            ],
        ),
        Row::tested(
            51,
            "a migration that fails in the middle",
            &[
                Test(
                    SKELETON,
                    "databases::of_a_migration_that_fails_in_the_middle_nothing_stays_and_the_build_before_goes_on",
                ),
                Test(
                    SKELETON,
                    "elasticsearch::indices::a_change_that_the_documents_do_not_fit_is_refused_and_the_old_version_keeps_serving",
                ),
            ],
        ),
        Row::tested(
            52,
            "two builds side by side",
            &[
                Test(
                    SKELETON,
                    "versions::an_older_and_a_newer_build_share_a_queue_and_nothing_is_lost_doubled_or_parked",
                ),
                Test(SKELETON, "elasticsearch::indices::an_older_service_leaves_a_newer_index_alone_and_goes_on"),
            ],
        ),
    ]
}
