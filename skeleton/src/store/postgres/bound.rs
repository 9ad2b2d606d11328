//! The position that the relay reads from.
//!
//! What was removed stays in the index until a vacuum, and longer while an old transaction is open. A relay that reads from
//! the first position walks over all of it with each window. A plain cursor would lose messages: a transaction with a
//! lower position may commit later. So the bound moves only up to a position below which nothing can appear any more.
//! Whoever inserts into the outbox holds a lock on the table from before its positions are drawn until its transaction
//! has ended. Once all that held it after a position was drawn are gone, everything up to that position is visible.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

/// How often the bound is moved.
const STEP: Duration = Duration::from_secs(1);

/// How often the outbox is read from the start: for rows that a person has put back.
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

/// A position that was drawn, and the transactions that may still commit one up to it.
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

    /// Finds out up to which position everything is visible. To be called before the outbox is read.
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
        // After the position was read: whoever had drawn it and is not visible yet is among them.
        let writers = writers(client).await?;
        self.mark = Some(Mark { position, writers });
        Ok(())
    }

    /// The outbox was read, and this is the first position that was found.
    pub(super) fn has_read(&mut self, first: Option<i64>) {
        let sure = self.settled + 1;
        self.from = self.from.max(first.map_or(sure, |first| first.min(sure)));
    }

    /// There is something to send at this position again.
    pub(super) fn go_back_to(&mut self, position: i64) {
        self.from = self.from.min(position);
    }
}

async fn writers(client: &Client) -> Result<Vec<String>, tokio_postgres::Error> {
    Ok(client.query(WRITERS, &[]).await?.iter().map(|row| row.get(0)).collect())
}
