//! Rows 39 to 52: what happens to databases.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::FutureExt;
use rand::{RngExt, rngs::StdRng};

use super::{
    callers::asking,
    full_disk, parked,
    played::Played,
    row::{Row, Test},
    server::Server,
    stage::Stage,
};
use crate::{
    native,
    trial::{connect, processes},
};

const SKELETON: &str = "skeleton-tests";
const SEARCH: &str = "search-tests";
const NETWORK: &str = "network-tests";
const NOTIFICATIONS: &str = "notifications-tests";

/// How long sessions are cut in row 40, one second after the other.
const CUTS: u32 = 10;

/// The most of all requests that may fail although they were repeated once.
const MAY_FAIL_TWICE: f64 = 0.001;

/// The rows of databases.
pub fn rows() -> Vec<Row> {
    let mut rows = vec![
        Row::played(39, "Postgres restarted under load", |stage| restarted(stage).boxed_local()).within(10),
        Row::played(40, "sessions of Postgres cut each second", |stage| sessions_cut(stage).boxed_local()).within(5),
        Row::played(41, "the disk under a database full", |stage| full_disk::play(stage).boxed_local()).within(10),
        // What has come meanwhile is worked off first.
        Row::played(45, "Neo4j killed in the middle", |stage| killed(stage).boxed_local()).within(60),
        Row::played(47, "each store away for a while", |stage| away(stage).boxed_local()).within(120),
    ];
    rows.extend(tested());
    rows
}

fn tested() -> Vec<Row> {
    vec![
        Row::tested(
            42,
            "the answer to a commit lost",
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
            "transactions that wait for each other",
            &[
                Test(SKELETON, "databases::transactions_that_wait_for_each_other_are_tried_again_and_count_once"),
                Test(SKELETON, "neo4j::two_transactions_that_wait_for_each_other_are_told_to_try_again"),
            ],
        ),
        Row::tested(
            46,
            "Neo4j that does not answer",
            &[Test(SKELETON, "neo4j::a_server_that_stops_answering_holds_nobody_up_and_is_used_again_when_it_is_back")],
        ),
        Row::tested(
            48,
            "Elasticsearch too busy, a batch half refused, an index that takes no writes",
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
            "an erased person, and what comes late",
            &[
                Test(SEARCH, "consuming::of_an_erased_account_nothing_is_found_whatever_comes_late"),
                Test(NETWORK, "accounts::an_account_that_was_erased_first_never_comes_back"),
                Test(NOTIFICATIONS, "news::of_an_erased_account_nothing_is_kept_and_what_comes_late_is_dropped"),
            ],
        ),
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
            "two builds beside each other",
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

async fn restarted(stage: &mut Stage) -> Result<Played> {
    let trouble = async |_: &mut Stage| {
        native::run(native::script("servers").args(["stop", "postgres"])).await?;
        processes::start_server("postgres").await
    };
    let (played, heard) = asking(stage, trouble).await?;
    heard.is_polite()?;
    Ok(played)
}

async fn sessions_cut(stage: &mut Stage) -> Result<Played> {
    let trouble = async |stage: &mut Stage| {
        let client = connect("postgres").await?;
        for _ in 0..CUTS {
            tokio::time::sleep(Duration::from_secs(1)).await;
            cut_some(&client, &mut stage.chance).await?;
        }
        Ok(())
    };
    let (played, heard) = asking(stage, trouble).await?;
    heard.is_polite()?;
    let share = heard.share_failed_twice();
    ensure!(share <= MAY_FAIL_TWICE, "{:.2} % of the requests failed although they were repeated", share * 100.0);
    Ok(played)
}

/// Every third of the services' sessions, by chance.
async fn cut_some(client: &tokio_postgres::Client, chance: &mut StdRng) -> Result<()> {
    let sql = "select count(pg_terminate_backend(pid)) from pg_stat_activity
        where datname in ('accounts', 'contacts', 'gateway', 'notifications', 'tally')
            and hashint4(pid + $1) % 3 = 0 and pid <> pg_backend_pid()";
    client.query_one(sql, &[&chance.random_range(0..1000i32)]).await?;
    Ok(())
}

async fn killed(stage: &mut Stage) -> Result<Played> {
    let trouble = async |_: &mut Stage| {
        processes::kill("neo4j").await?;
        processes::start_server("neo4j").await
    };
    parked::none_more(stage, async |stage| stage.flowing(trouble).await).await
}

/// Each in turn; nothing may be parked because of it.
async fn away(stage: &mut Stage) -> Result<Played> {
    let mut all = Played::default();
    for store in stage.lengths.stores() {
        let played = parked::none_more(stage, async |stage| one_away(stage, store).await).await?;
        all = all.and(store.name(), played);
    }
    Ok(all)
}

async fn one_away(stage: &mut Stage, store: Server) -> Result<Played> {
    let trouble = async |stage: &mut Stage| {
        native::run(native::script("servers").args(["stop", store.name()])).await?;
        tokio::time::sleep(stage.lengths.outage).await;
        processes::start_server(store.name()).await
    };
    let (played, heard) = asking(stage, trouble).await?;
    heard.is_polite()?;
    Ok(played)
}
