//! Stored replies to repeated commands, each with the account that it is about, until the account is erased.

use uuid::Uuid;

use super::Tx;
use crate::failure::StoreError;

const FORGET: &str = "update skeleton.inbox set reply = null, account_id = null where account_id = $1";

impl Tx {
    /// Deletes the stored replies to an account's commands, as a part of its erasure. If such a command is repeated, it
    /// is not executed again and gets no reply.
    ///
    /// # Errors
    /// As [`Tx::query`].
    pub async fn forget_replies_to(&mut self, account: Uuid) -> Result<(), StoreError> {
        self.execute_later(FORGET, &[&account]).await
    }
}
