//! The position that the relay reads from.
//!
//! Deleted rows stay in the index until a vacuum, and longer while an old transaction is open. A relay that reads from
//! the first position scans all of them with each window. A plain cursor would lose messages: a transaction with a
//! lower position may commit later. So the bound advances only to a position below which no row can appear any more. A
//! transaction that inserts into the outbox holds a lock on the table from before its positions are drawn until its
//! end. Once all transactions that held the lock after a position was drawn have ended, everything up to that position
//! is visible.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

/// How often the bound advances.
const STEP: Duration = Duration::from_secs(1);

/// How often the outbox is read from the start, to find rows that an operator has put back.
const SWEEP: Duration = Duration::from_secs(60);

const LAST_POSITION: &str = "select case when is_called then last_value else 0 end from skeleton.outbox_position_seq";

const WRITERS: &str =
    "select virtualtransaction from pg_locks where locktype = 'relation' and mode = 'RowExclusiveLock'
    and database = (select oid from pg_database where datname = current_database())
    and relation = 'skeleton.outbox'::regclass";

/// A position below which there is nothing to send.
pub(super) struct Bound {
    from: i64,
    settled: i64,
    mark: Option<Mark>,
    moved: Instant,
    swept: Instant,
}

/// A drawn position, and the transactions that may still commit rows up to it.
struct Mark {
    position: i64,
    writers: Vec<String>,
}

impl Bound {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { from: 0, settled: 0, mark: None, moved: now, swept: now }
    }

    /// The position to read from.
    pub(super) fn from(&self) -> i64 {
        self.from
    }

    /// Determines up to which position all rows are visible. Call this before reading the outbox.
    pub(super) async fn settle(&mut self, client: &Client) -> Result<(), tokio_postgres::Error> {
        if self.swept.elapsed() > SWEEP {
            (self.from, self.swept) = (0, Instant::now());
        }
        if self.moved.elapsed() < STEP {
            return Ok(());
        }
        self.moved = Instant::now();
        if let Some(mark) = &self.mark {
            let writers = writers(client).await?;
            if writers.iter().any(|writer| mark.writers.contains(writer)) {
                return Ok(());
            }
            self.settled = mark.position;
        }
        let position = client.query_one(LAST_POSITION, &[]).await?.get(0);
        // Read the writers after the position: every transaction that has drawn a position and is not visible yet is
        // among them.
        let writers = writers(client).await?;
        self.mark = Some(Mark { position, writers });
        Ok(())
    }

    /// Records that the outbox was read, with the first position found.
    pub(super) fn has_read(&mut self, first: Option<i64>) {
        let sure = self.settled + 1;
        self.from = self.from.max(first.map_or(sure, |first| first.min(sure)));
    }

    /// Records that there is a message to send at this position again.
    pub(super) fn go_back_to(&mut self, position: i64) {
        self.from = self.from.min(position);
    }
}

async fn writers(client: &Client) -> Result<Vec<String>, tokio_postgres::Error> {
    Ok(client.query(WRITERS, &[]).await?.iter().map(|row| row.get(0)).collect())
}
