//! Rows 29 to 38: messages that are invalid, unknown, forged or too large.

use super::row::{Row, Test};

const SKELETON: &str = "skeleton-tests";

/// The rows of messages.
pub fn rows() -> Vec<Row> {
    [broken(), of_other_versions(), too_large_or_forged()].concat()
}

/// Messages that cannot be handled.
fn broken() -> Vec<Row> {
    vec![
        Row::tested(
            29,
            "poison message: valid, but its handler always fails",
            &[
                Test(
                    SKELETON,
                    "hostile::a_message_that_fails_for_ever_hurts_no_neighbour_and_has_its_effect_once_the_handler_is_mended",
                ),
                Test(SKELETON, "messaging::a_batch_with_a_poison_message_keeps_all_its_neighbours"),
            ],
        ),
        Row::tested(
            30,
            "bodies that are not JSON, truncated, in another charset, deeply nested",
            &[
                Test(
                    SKELETON,
                    "hostile::a_body_that_is_no_json_of_its_schema_is_parked_as_it_came_at_the_first_attempt",
                ),
                Test(SKELETON, "messaging::messages_that_cannot_be_read_are_parked_raw"),
            ],
        ),
        Row::tested(
            34,
            "data that violates its schema",
            &[
                Test(SKELETON, "hostile::what_breaks_its_schema_is_parked_with_the_place_and_without_what_is_there"),
                Test(SKELETON, "versions::data_that_breaks_its_schema_is_parked_with_the_field_and_without_the_value"),
            ],
        ),
    ]
}

/// Messages of versions that a build does not know, or must convert.
fn of_other_versions() -> Vec<Row> {
    vec![
        Row::tested(
            31,
            "a future version",
            &[
                Test(
                    SKELETON,
                    "hostile::a_version_of_tomorrow_waits_for_a_newer_build_and_what_nobody_knows_is_parked_at_once",
                ),
                Test(SKELETON, "versions::what_an_older_build_has_parked_is_redriven_by_a_newer_one"),
            ],
        ),
        Row::tested(
            32,
            "an event of an unknown type",
            &[Test(
                SKELETON,
                "hostile::a_version_of_tomorrow_waits_for_a_newer_build_and_what_nobody_knows_is_parked_at_once",
            )],
        ),
        Row::tested(
            33,
            "an older version",
            &[
                Test(SKELETON, "versions::an_older_version_is_read_by_a_newer_consumer"),
                Test("messages", "schemas_types_examples_and_versions_agree"),
            ],
        ),
    ]
}

/// Messages that are too large, or sent in another service's name.
fn too_large_or_forged() -> Vec<Row> {
    vec![
        Row::tested(
            35,
            "an event of 300 kB",
            &[Test(SKELETON, "hostile::who_wants_to_tell_more_than_a_message_holds_is_refused_and_nothing_is_written")],
        ),
        Row::tested(
            36,
            "a message of 129 MB",
            &[Test(SKELETON, "hostile::a_message_over_the_brokers_limit_costs_its_sender_the_channel_and_nobody_else")],
        ),
        Row::tested(
            37,
            "forged headers, and far too many",
            &[
                Test(SKELETON, "hostile::headers_that_are_forged_or_far_too_many_change_nothing"),
                Test(SKELETON, "rights::saying_that_it_is_another_is_refused"),
            ],
        ),
        Row::tested(
            38,
            "an event in another service's name",
            &[Test(SKELETON, "rights::publishing_what_is_anothers_is_refused")],
        ),
    ]
}
