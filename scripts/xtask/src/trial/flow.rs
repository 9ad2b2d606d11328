//! The flow of events: people who fill their address books.

use std::{
    future::ready,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, ensure};
use events::Request;
use futures::{StreamExt, TryStreamExt, stream};
use skeleton::stop;
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    by_hand::{by_hand_of, change_of},
    ledger::{Expected, Ledger},
    settling::{has_come_through, settled},
};
use crate::{asker::Asker, demo::plausible, progress::Progress};

/// The number of contacts in each address book: all but one come from a file, the last is added by hand.
pub const BOOK: usize = 100;

/// How often the contact added by hand is changed: this gives it several events in order.
const CHANGES: usize = 3;

/// How many address books are filled concurrently.
const LANES: usize = 2;

/// The maximum number of accounts: more would not improve a test, and hashing a password takes time.
const MOST_ACCOUNTS: usize = 200;

/// The timeout after which a request is retried with the same id: a reply may be lost with a broker.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The time limit for one contact.
const NO_MORE: Duration = Duration::from_secs(120);

/// People who fill their address books.
pub struct Flow {
    asker: Asker,
    accounts: Vec<Uuid>,
    /// The first number of this run: no other run has used it or a later one, so all counts are this run's.
    first: u64,
    filled: watch::Sender<usize>,
    pulses: AtomicUsize,
    /// Contacts in large files.
    large: AtomicUsize,
    large_files: AtomicUsize,
    /// Closes the client's connection on drop.
    _asking: stop::StopSender,
}

impl Flow {
    /// Opens the accounts, one for each address book up to a limit.
    pub async fn start(books: usize) -> Result<Self> {
        let (asking, stop) = stop::channel();
        let asker = Asker::connect(TIMEOUT, stop).await?;
        let first = (u64::from(rand::random::<u32>()) + 1) << 20;
        let owners = books.clamp(1, MOST_ACCOUNTS);
        let progress = Progress::new("accounts", owners);
        let opening = stream::iter(0..owners as u64).map(async |number| {
            let person = plausible(first + number);
            asker.account_of(&person, &progress).await
        });
        let accounts = opening.buffered(8).try_collect().await?;
        let (filled, none) = (watch::Sender::new(0), AtomicUsize::default);
        Ok(Self { asker, accounts, first, filled, pulses: none(), large: none(), large_files: none(), _asking: asking })
    }

    /// Fills one address book after the other until stopped; before each, it waits for permission.
    pub async fn run(&self, goes_on: impl AsyncFn(usize) -> bool) -> Result<()> {
        let goes_on = &goes_on;
        let books = stream::unfold(0, move |book| async move { goes_on(book).await.then_some((book, book + 1)) });
        books.map(|book| self.fill(book)).buffer_unordered(LANES).try_for_each(|()| ready(Ok(()))).await
    }

    /// The number of address books filled so far.
    pub fn filled(&self) -> watch::Receiver<usize> {
        self.filled.subscribe()
    }

    async fn fill(&self, book: usize) -> Result<()> {
        let account = self.accounts[book % self.accounts.len()];
        // Not the owners: about a contact who also has an account, network may publish a second event.
        let person = |place: usize| plausible(self.first + (self.accounts.len() + book * BOOK + place) as u64);
        let file: Vec<_> = (1..BOOK).map(person).collect();
        self.asker.import(account, file.iter(), &Progress::new("address book", usize::MAX)).await?;
        let by_hand = person(0);
        let contact = self.ask(&by_hand_of(account, &by_hand)).await?.contact_id;
        for number in 0..CHANGES {
            self.ask(&change_of(account, contact, number)).await?;
        }
        self.filled.send_modify(|filled| *filled += 1);
        Ok(())
    }

    /// Imports one file that is much larger than the others.
    pub async fn fill_large(&self, contacts: usize) -> Result<()> {
        let first = self.first - (1 << 19) + self.large.fetch_add(contacts, Relaxed) as u64;
        let people: Vec<_> = (first..first + contacts as u64).map(plausible).collect();
        self.asker.import(self.accounts[0], people.iter(), &Progress::new("large address book", usize::MAX)).await?;
        self.large_files.fetch_add(1, Relaxed);
        Ok(())
    }

    async fn ask<R: Request>(&self, request: &R) -> Result<R::Reply> {
        self.asker.ask(request).await.map_err(|problem| anyhow!("{problem}"))
    }

    /// Adds one contact, and waits until the tally has received its event and the network's event about it.
    ///
    /// # Errors
    /// If that takes too long.
    pub async fn pulse(&self) -> Result<()> {
        let number = self.pulses.fetch_add(1, Relaxed);
        let person = plausible(self.first - 1 - number as u64);
        let contact = self.ask(&by_hand_of(self.accounts[0], &person)).await?.contact_id;
        let began = Instant::now();
        while !has_come_through(contact).await.unwrap_or(false) {
            ensure!(began.elapsed() < NO_MORE, "a contact was not processed within {} s", NO_MORE.as_secs());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Waits until every effect exists, or the time is up, and counts.
    pub async fn settled(&self) -> Result<Ledger> {
        let books = *self.filled.borrow();
        let contacts = books * BOOK + self.pulses.load(Relaxed) + self.large.load(Relaxed);
        let imports = books + self.large_files.load(Relaxed);
        let expected = Expected { contacts, imports, changes: books * CHANGES };
        settled(&self.accounts, expected).await
    }
}
