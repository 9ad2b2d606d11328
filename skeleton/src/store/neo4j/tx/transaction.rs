//! A transaction in Neo4j as the skeleton uses it: inbox, cursors, replies, commit.

use chrono::{DateTime, Utc};
use neo4rs::{BoltBytes, BoltType, query};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    OpenTransaction, Tx,
    lines::{ADVANCE_LINES, LINE_TIMES, LOCK_LINES, LineAt, LineTime},
};
use crate::{
    failure::StoreError,
    store::{
        SetAside, Transaction, UnitOfWork,
        neo4j::{error::store_error, outbox, pieces::pieces, record, set_aside::Kept},
        past_given_up,
    },
};

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

#[derive(Deserialize)]
struct Reply {
    reply: BoltBytes,
}
