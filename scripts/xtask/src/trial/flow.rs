//! Events that flow: people who fill their address books.

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

/// How many contacts come with each address book: all but one from a file, the last by hand.
pub const BOOK: usize = 100;

/// How often the one by hand is changed: with its adding, so many events have an order among them.
const CHANGES: usize = 3;

/// How many address books are filled at the same time.
const LANES: usize = 2;

/// More accounts than these do not make more of a test, and a password takes its time to hash.
const MOST_ACCOUNTS: usize = 200;

/// How long a request may take before it is asked again under the same id: a reply may be lost with a broker.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long one contact may take to come through.
const NO_MORE: Duration = Duration::from_secs(120);

/// People who fill their address books.
pub struct Flow {
    asker: Asker,
    accounts: Vec<Uuid>,
    /// No other run has used the numbers from here on, so that everything counted is this run's.
    first: u64,
    filled: watch::Sender<usize>,
    pulses: AtomicUsize,
    /// Contacts in large files.
    large: AtomicUsize,
    large_files: AtomicUsize,
    /// Dropped, it ends the asker's connection.
    _asking: stop::StopSender,
}

impl Flow {
    /// Opens the accounts, one for each address book up to a limit.
    pub async fn start(books: usize) -> Result<Self> {
        let (asking, stop) = stop::channel();
        let asker = Asker::connect(PATIENCE, stop).await?;
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

    /// Fills one address book after the other as long as it is told to; before each, it waits to be told so.
    pub async fn run(&self, goes_on: impl AsyncFn(usize) -> bool) -> Result<()> {
        let goes_on = &goes_on;
        let books = stream::unfold(0, move |book| async move { goes_on(book).await.then_some((book, book + 1)) });
        books.map(|book| self.fill(book)).buffer_unordered(LANES).try_for_each(|()| ready(Ok(()))).await
    }

    /// How many address books are filled, as it goes.
    pub fn filled(&self) -> watch::Receiver<usize> {
        self.filled.subscribe()
    }

    async fn fill(&self, book: usize) -> Result<()> {
        let account = self.accounts[book % self.accounts.len()];
        let person = |place: usize| plausible(self.first + (book * BOOK + place) as u64);
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

    /// Adds one contact, and waits until the tally has heard of it and of the network's answer to it.
    ///
    /// # Errors
    /// Where that takes too long.
    pub async fn pulse(&self) -> Result<()> {
        let number = self.pulses.fetch_add(1, Relaxed);
        let person = plausible(self.first - 1 - number as u64);
        let contact = self.ask(&by_hand_of(self.accounts[0], &person)).await?.contact_id;
        let began = Instant::now();
        while !has_come_through(contact).await.unwrap_or(false) {
            ensure!(began.elapsed() < NO_MORE, "a contact has not come through in {} s", NO_MORE.as_secs());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Waits until every effect of what was filled is there, or time is over, and counts.
    pub async fn settled(&self) -> Result<Ledger> {
        let books = *self.filled.borrow();
        let contacts = books * BOOK + self.pulses.load(Relaxed) + self.large.load(Relaxed);
        let imports = books + self.large_files.load(Relaxed);
        let expected = Expected { contacts, imports, changes: books * CHANGES };
        settled(&self.accounts, expected).await
    }
}
