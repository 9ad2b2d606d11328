//! Replies that are kept for orders that come again: each with the account that it is about, until that is erased.

use uuid::Uuid;

use super::Tx;
use crate::failure::StoreError;

const FORGET: &str = "update skeleton.inbox set reply = null, account_id = null where account_id = $1";

impl Tx {
    /// Forgets the replies that are kept of an account's orders: part of erasing it. Such an order, given again, is not
    /// followed again, and gets no reply.
    ///
    /// # Errors
    /// As [`Tx::query`].
    pub async fn forget_replies_to(&mut self, account: Uuid) -> Result<(), StoreError> {
        self.execute_later(FORGET, &[&account]).await
    }
}
