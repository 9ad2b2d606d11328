//! Raises the sequences of subjects.

use neo4rs::{BoltType, query};

use crate::{
    failure::StoreError,
    store::neo4j::{Neo4j, record},
};

/// Subjects whose sequence is lower than the given one.
const LOWER: &str = "UNWIND $rows AS row
    OPTIONAL MATCH (sequence:Sequence {subject: row.subject})
    WITH row, coalesce(sequence.last, 0) AS last WHERE last < row.last
    RETURN count(*) AS lower";

/// Raises them. Locks each sequence before reading it.
const RAISE: &str = "UNWIND $rows AS row
    MERGE (sequence:Sequence {subject: row.subject}) ON CREATE SET sequence.last = 0
    SET sequence.is_taken = true
    WITH row, sequence WHERE sequence.last < row.last
    SET sequence.last = row.last
    RETURN count(*) AS raised";

impl Neo4j {
    /// Raises sequences, or counts those that are lower. Returns their number.
    pub(super) async fn raise(&self, reached: &[(String, i64)], dry_run: bool) -> Result<u64, StoreError> {
        let rows: Vec<BoltType> = reached
            .iter()
            .map(|(subject, last)| record([("subject", subject.as_str().into()), ("last", (*last).into())]))
            .collect();
        let statement = if dry_run { LOWER } else { RAISE };
        let raised: Vec<i64> = self.write(query(statement).param("rows", rows)).await?;
        Ok(raised.first().map_or(0, |raised| raised.unsigned_abs()))
    }
}
