//! Trials of the whole system: events that flow through six services and a seventh, processes that can be killed, and a
//! ledger of what was lost, doubled or out of order.
//!
//! In the flow, people import address books, add a contact by hand and change it. Each contact is an event that the
//! network and the search consume. The network publishes an event for each, which contacts consumes. The end of each
//! import is an event that causes a notification. A seventh service, [`tally`], consumes every event of a contact and
//! of an import in order, and records it. [`ledger`] defines what is counted in the stores themselves.

mod by_hand;
mod counting;
mod database;
pub mod flow;
mod killing;
mod ledger;
mod own_service;
pub mod processes;
mod settling;
mod system;
mod tallied;
mod tally;

pub use counting::{Counting, broker_url};
pub use database::{connect, drop_database, make_database};
pub use flow::Flow;
pub use killing::Killing;
pub use ledger::{Expected, Ledger};
pub use own_service::{OwnService, free_address, run_until_killed};
pub use settling::settled;
pub use system::System;
pub use tallied::Tallied;
pub use tally::{TALLY, Tally};
