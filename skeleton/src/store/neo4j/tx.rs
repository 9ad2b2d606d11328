//! A transaction in Neo4j.

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, Utc};
use neo4rs::{BoltBytes, BoltType, Query, Txn, query};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    at_most_one,
    error::{store_error, unreadable},
    lanes::{Lane, Lanes},
    outbox,
    pieces::{bytes_of, pieces},
    record,
    set_aside::Kept,
};
use crate::{
    failure::{StoreError, StoreErrorKind},
    store::{Publish, ServiceContext, SetAside, Transaction, UnitOfWork, past_given_up},
};

/// The ids are sorted: two transactions that record the same ones wait for each other instead of deadlocking.
const RECORD_IN_INBOX: &str = "UNWIND $ids AS id
    MERGE (entry:Inbox {id: id}) ON CREATE SET entry.is_new = true
    WITH entry, id WHERE entry.is_new
    SET entry.is_new = null, entry.taken_in_at = datetime()
    RETURN id";

/// Locks the cursors of lines before reading them.
const LOCK_LINES: &str = "UNWIND $lines AS name
    MERGE (line:Line {name: name}) ON CREATE SET line.last = 0
    SET line.is_taken = true
    WITH line
    OPTIONAL MATCH (given:GivenUp {line: line.name}) WHERE given.number > line.last
    WITH line, given ORDER BY given.number
    RETURN line.name AS line, line.last AS last, collect(given.number) AS given_up";

const ADVANCE_LINES: &str = "UNWIND $rows AS row MATCH (line:Line {name: row.line})
    SET line.last = row.last, line.last_time = coalesce(row.at, line.last_time)";

const LINE_TIMES: &str = "UNWIND $lines AS name MATCH (line:Line {name: name}) WHERE line.last_time IS NOT NULL
    RETURN line.name AS line, line.last_time AS at";

/// A transaction. If it is dropped without a commit, or a statement in it has failed, its connection is closed and the
/// server rolls back at once.
pub struct Tx {
    open: Option<OpenTransaction>,
    has_failed: bool,
    lanes: Arc<Lanes>,
    new: HashSet<Uuid>,
    later: Later,
    work: UnitOfWork,
    wakeup: Arc<Notify>,
}

/// Deferred changes.
#[derive(Default)]
struct Later {
    changes: Vec<(&'static str, Vec<BoltType>)>,
    touched: HashSet<String>,
}

/// The transaction is dropped before its connection.
struct OpenTransaction {
    txn: Txn,
    lane: Lane,
}

impl Tx {
    pub(super) async fn begin(
        lanes: &Arc<Lanes>,
        wakeup: &Arc<Notify>,
        service: &Arc<ServiceContext>,
        inbox_ids: &[Uuid],
    ) -> Result<Self, StoreError> {
        let opening = Box::pin(async {
            let lane = lanes.take().await?;
            let txn = lane.graph.start_txn().await.map_err(store_error)?;
            Ok(OpenTransaction { txn, lane })
        });
        let open = Some(lanes.within(opening).await?);
        let (lanes, work) = (lanes.clone(), UnitOfWork::new(service.clone()));
        let mut tx = Self {
            open,
            has_failed: false,
            lanes,
            new: HashSet::new(),
            later: Later::default(),
            work,
            wakeup: wakeup.clone(),
        };
        if !inbox_ids.is_empty() {
            let mut ids: Vec<String> = inbox_ids.iter().map(Uuid::to_string).collect();
            ids.sort_unstable();
            tx.new = tx.query(query(RECORD_IN_INBOX).param("ids", ids)).await?.into_iter().collect();
        }
        Ok(tx)
    }

    /// Queries rows, each as a `T`: a struct with a field for every column, or the value of the only column.
    ///
    /// # Errors
    /// Fails if the store does not respond, another transaction conflicts, or the statement is invalid. The transaction
    /// ends.
    pub async fn query<T: DeserializeOwned + Send>(&mut self, query: Query) -> Result<Vec<T>, StoreError> {
        self.settle().await?;
        self.call(query).await
    }

    /// Queries only about these things: deferred changes that do not touch them remain deferred.
    ///
    /// # Errors
    /// As [`Tx::query`].
    pub async fn query_about<T: DeserializeOwned + Send>(
        &mut self,
        things: &[String],
        query: Query,
    ) -> Result<Vec<T>, StoreError> {
        if things.iter().any(|thing| self.later.touched.contains(thing)) {
            self.settle().await?;
        }
        self.call(query).await
    }

    /// Queries at most one row.
    ///
    /// # Errors
    /// As [`Tx::query`]; also fails if there are more rows.
    pub async fn query_opt<T: DeserializeOwned + Send>(&mut self, query: Query) -> Result<Option<T>, StoreError> {
        at_most_one(self.query(query).await?)
    }

    /// Queries exactly one row.
    ///
    /// # Errors
    /// As [`Tx::query`]; also fails if there is none, or more than one.
    pub async fn query_one<T: DeserializeOwned + Send>(&mut self, query: Query) -> Result<T, StoreError> {
        self.query_opt(query).await?.ok_or_else(|| StoreError::broken("expected one row, found none"))
    }

    /// Changes nodes and relationships.
    ///
    /// # Errors
    /// As [`Tx::query`].
    pub async fn execute(&mut self, query: Query) -> Result<(), StoreError> {
        self.settle().await?;
        self.run(query).await
    }

    /// Defers a change: it is made with the commit at the latest, together with others of the same statement, which
    /// begins with `UNWIND $rows AS row`. [`Tx::query_about`] makes deferred changes first that touch its things.
    pub fn execute_later(&mut self, things: Vec<String>, statement: &'static str, row: BoltType) {
        self.later.touched.extend(things);
        match self.later.changes.last_mut() {
            Some((last, rows)) if *last == statement => rows.push(row),
            _ => self.later.changes.push((statement, vec![row])),
        }
    }

    /// Makes the deferred changes, in order.
    async fn settle(&mut self) -> Result<(), StoreError> {
        for (statement, rows) in std::mem::take(&mut self.later).changes {
            for rows in pieces(rows, bytes_of) {
                self.run(query(statement).param("rows", rows)).await?;
            }
        }
        Ok(())
    }

    async fn call<T: DeserializeOwned + Send>(&mut self, query: Query) -> Result<Vec<T>, StoreError> {
        let mut open = self.take_open()?;
        let asking = Box::pin(async {
            let mut stream = open.txn.execute(query).await.map_err(store_error)?;
            let mut rows = Vec::new();
            while let Some(row) = stream.next(open.txn.handle()).await.map_err(store_error)? {
                rows.push(row.to().map_err(|error| unreadable::<T>(&error))?);
            }
            Ok((rows, open))
        });
        let asked = self.lanes.within(asking).await;
        self.has_failed |= asked.is_err();
        let (rows, open) = asked?;
        self.open = Some(open);
        Ok(rows)
    }

    async fn run(&mut self, query: Query) -> Result<(), StoreError> {
        let mut open = self.take_open()?;
        let running = Box::pin(async {
            open.txn.run(query).await.map_err(store_error)?;
            Ok(open)
        });
        let ran = self.lanes.within(running).await;
        self.has_failed |= ran.is_err();
        self.open = Some(ran?);
        Ok(())
    }

    /// Takes the open transaction out during a statement: if the statement fails or its future is dropped, no open
    /// transaction remains.
    fn take_open(&mut self) -> Result<OpenTransaction, StoreError> {
        self.open.take().ok_or_else(|| match self.has_failed {
            true => StoreError::broken("a statement of this transaction has failed: the transaction has ended"),
            false => {
                let text = "a statement of this transaction was abandoned before its answer: the transaction has ended";
                StoreError::new(StoreErrorKind::Conflict, text)
            }
        })
    }
}

impl Publish for Tx {}

impl Transaction for Tx {
    fn unit_of_work(&self) -> &UnitOfWork {
        &self.work
    }

    fn unit_of_work_mut(&mut self) -> &mut UnitOfWork {
        &mut self.work
    }

    fn is_new(&self, message: Uuid) -> bool {
        self.new.contains(&message)
    }

    async fn lock_cursors(&mut self, lines: &[String]) -> Result<Vec<(String, i64)>, StoreError> {
        let rows: Vec<LineAt> = self.query(query(LOCK_LINES).param("lines", lines.to_vec())).await?;
        Ok(rows.into_iter().map(|row| (row.line, past_given_up(row.last, row.given_up))).collect())
    }

    async fn advance_cursors(&mut self, reached: &[(String, i64)]) -> Result<(), StoreError> {
        for (line, last) in reached {
            let row = record([("line", line.as_str().into()), ("last", (*last).into())]);
            self.execute_later(Vec::new(), ADVANCE_LINES, row);
        }
        Ok(())
    }

    async fn advance_lines_at(&mut self, reached: &[(String, i64, DateTime<Utc>)]) -> Result<(), StoreError> {
        for (line, last, at) in reached {
            let row = record([("line", line.as_str().into()), ("last", (*last).into()), ("at", (*at).into())]);
            self.execute_later(Vec::new(), ADVANCE_LINES, row);
        }
        Ok(())
    }

    async fn line_times(&mut self, lines: &[String]) -> Result<Vec<(String, DateTime<Utc>)>, StoreError> {
        let rows: Vec<LineTime> = self.query(query(LINE_TIMES).param("lines", lines.to_vec())).await?;
        Ok(rows.into_iter().map(|row| (row.line, row.at)).collect())
    }

    async fn is_given_up(&mut self, line: &str, number: i64) -> Result<bool, StoreError> {
        let asked = "RETURN EXISTS { MATCH (:GivenUp {line: $line, number: $number}) } AS is_given_up";
        self.query_one(query(asked).param("line", line).param("number", number)).await
    }

    async fn take_waiting(&mut self, message: Uuid) -> Result<Option<SetAside>, StoreError> {
        // A transaction that waits for the lock and finds the node deleted gets an error: the message was handled
        // elsewhere.
        let taken = "MATCH (kept:SetAside {id: $id}) SET kept.is_taken = true
            WITH kept WHERE kept.state = 'behind' OR (kept.state = 'waiting' AND kept.due_at <= datetime.realtime())
            WITH kept, properties(kept) AS properties
            DELETE kept RETURN properties";
        let row: Option<Kept> = self.query_opt(query(taken).param("id", message.to_string())).await?;
        Ok(row.map(SetAside::from))
    }

    async fn first_reply(&mut self, request: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        let asked = "MATCH (entry:Inbox {id: $id}) WHERE entry.reply IS NOT NULL RETURN entry.reply AS reply";
        let row: Option<Reply> = self.query_opt(query(asked).param("id", request.to_string())).await?;
        Ok(row.map(|row| row.reply.value.to_vec()))
    }

    async fn keep_reply(&mut self, request: Uuid, reply: &[u8]) -> Result<(), StoreError> {
        let kept = query("MATCH (entry:Inbox {id: $id}) SET entry.reply = $reply");
        self.execute(kept.param("id", request.to_string()).param("reply", BoltType::from(reply))).await
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        self.settle().await?;
        let staged = self.work.take_pending();
        let publishes = !staged.is_empty();
        for staged in pieces(staged, outbox::bytes_of) {
            let written: i64 = self.query_one(outbox::stage(&staged)?).await?;
            if usize::try_from(written) != Ok(staged.len()) {
                return Err(StoreError::broken("the outbox does not exist: run the migrations"));
            }
        }
        let open = self.take_open()?;
        let committing = Box::pin(async {
            open.txn.commit().await.map_err(store_error)?;
            Ok(open.lane)
        });
        self.lanes.within(committing).await?.give_back();
        if publishes {
            self.wakeup.notify_one();
        }
        self.work.committed();
        Ok(())
    }

    async fn rollback(mut self) {
        let Some(OpenTransaction { txn, lane }) = self.open.take() else { return };
        let undoing = Box::pin(async { txn.rollback().await.map_err(store_error) });
        if self.lanes.within(undoing).await.is_ok() {
            lane.give_back();
        }
    }
}

/// The cursor of a line, and the numbers after it that are given up.
#[derive(Deserialize)]
struct LineAt {
    line: String,
    last: i64,
    given_up: Vec<i64>,
}

/// When the last event of a line was written.
#[derive(Deserialize)]
struct LineTime {
    line: String,
    at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Reply {
    reply: BoltBytes,
}
