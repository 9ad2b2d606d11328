//! The faults of a run and their probabilities; and the planted bugs that the ledger must detect.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use skeleton::Environment;

use super::time::{Dice, Run};

/// A bug of the store or the broker, enabled to check that the ledger detects it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The inbox loses its entries.
    ForgottenInbox,
    /// Two concurrent transactions that receive the same message both find it new.
    UnlockedInbox,
    /// The inbox keeps a message whose transaction was rolled back.
    InboxOutsideOfTheTransaction,
    /// The effects of a rolled-back transaction stay.
    EffectsOutsideOfTheTransaction,
    /// The messages of a rolled-back transaction are published.
    OutboxOutsideOfTheTransaction,
    /// The messages of a transaction are lost if the reply to its commit is lost.
    OutboxLostWithTheReply,
    /// A message without a confirm counts as confirmed.
    ConfirmTakenForGranted,
    /// An unroutable message counts as confirmed.
    UnroutableTakenAsDone,
    /// Several replicas relay at a time.
    RelayWithoutItsLock,
    /// A subject cursor is written at once, not with the transaction.
    LinesOutsideOfTheTransaction,
    /// Two transactions use the same subject cursor at once.
    UnlockedLines,
    /// A subject cursor is not written.
    LinesNotAdvanced,
    /// Sequences of a subject are assigned twice.
    NumbersGivenTwice,
    /// A set-aside message is not stored.
    SetAsideNotKept,
    /// A waiting message stays when it is taken out.
    WaitingNotTakenOut,
    /// A message that waits for its predecessor is never due.
    BehindNeverDue,
    /// Unacknowledged messages are not redelivered.
    NothingComesAgain,
    /// A delayed job is sent before its due time.
    DelaysTooEarly,
}

impl Bug {
    pub const ALL: [Self; 18] = [
        Self::ForgottenInbox,
        Self::UnlockedInbox,
        Self::InboxOutsideOfTheTransaction,
        Self::EffectsOutsideOfTheTransaction,
        Self::OutboxOutsideOfTheTransaction,
        Self::OutboxLostWithTheReply,
        Self::ConfirmTakenForGranted,
        Self::UnroutableTakenAsDone,
        Self::RelayWithoutItsLock,
        Self::LinesOutsideOfTheTransaction,
        Self::UnlockedLines,
        Self::LinesNotAdvanced,
        Self::NumbersGivenTwice,
        Self::SetAsideNotKept,
        Self::WaitingNotTakenOut,
        Self::BehindNeverDue,
        Self::NothingComesAgain,
        Self::DelaysTooEarly,
    ];
}

/// The probability of each fault, in thousandths. Each seed has other faults, and some have hardly any: a bug that a
/// common fault hides is found without that fault.
#[derive(Clone, Debug, Default)]
pub struct Odds {
    /// A replica crashes at a step of a port.
    pub crash: u64,
    /// A step takes long.
    pub slow: u64,
    /// A message enters a queue twice.
    pub twice: u64,
    /// A message overtakes others.
    pub overtaking: u64,
    /// A published message is lost in transit, unconfirmed.
    pub lost: u64,
    /// A published message arrives, and its confirm is lost.
    pub unconfirmed: u64,
    /// A consumer's channel is cut.
    pub cut: u64,
    /// A transaction is refused at its commit.
    pub refused: u64,
    /// A transaction commits and the reply is lost.
    pub reply_lost: u64,
    /// The session that holds the right to relay is cut.
    pub session_cut: u64,
    /// A handler fails.
    pub failing: u64,
    /// A store, the broker, or the topology is unavailable for a while; drawn ten times a second.
    pub away: u64,
    /// A replica is stopped in order and started again; drawn ten times a second.
    pub restart: u64,
}

impl Odds {
    fn drawn_by(dice: &mut Dice) -> Self {
        let mut odds = |most: u64| if dice.below(5) < 2 { 0 } else { dice.below(most) + 1 };
        Self {
            crash: odds(12),
            slow: odds(20),
            twice: odds(200),
            overtaking: odds(300),
            lost: odds(100),
            unconfirmed: odds(100),
            cut: odds(40),
            refused: odds(60),
            reply_lost: odds(60),
            session_cut: odds(60),
            failing: odds(150),
            away: odds(20),
            restart: odds(20),
        }
    }
}

/// The faults of a run.
pub struct Weather {
    odds: Odds,
    bug: Option<Bug>,
    is_calm: AtomicBool,
}

impl Weather {
    /// The faults that a seed draws.
    pub fn of(seed: u64, bug: Option<Bug>) -> Self {
        // Other random numbers than the run's own.
        let odds = Odds::drawn_by(&mut Dice::of(seed ^ 0x57ea_7e12));
        Self { odds, bug, is_calm: AtomicBool::new(false) }
    }

    /// Without faults.
    pub fn fine() -> Self {
        Self { odds: Odds::default(), bug: None, is_calm: AtomicBool::new(true) }
    }

    /// Ends all faults, except the planted bug.
    pub fn calm(&self) {
        self.is_calm.store(true, Relaxed);
    }

    pub fn is_calm(&self) -> bool {
        self.is_calm.load(Relaxed)
    }

    pub fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub fn odds(&self) -> &Odds {
        &self.odds
    }
}

/// The user of a port: a replica of a run, or a test without a run and without faults.
#[derive(Clone)]
pub struct Life {
    pub weather: Arc<Weather>,
    pub environment: Environment,
    run: Option<Arc<Run>>,
    replica: u64,
}

impl Life {
    /// The life of a replica.
    pub fn of(run: &Arc<Run>, weather: &Arc<Weather>, replica: u64) -> Self {
        Self { weather: weather.clone(), environment: run.environment(), run: Some(run.clone()), replica }
    }

    /// A life without faults.
    pub fn quiet() -> Self {
        Self { weather: Arc::new(Weather::fine()), environment: Environment::system(), run: None, replica: 0 }
    }

    /// Whether this fault occurs now.
    pub fn strikes(&self, odds: impl FnOnce(&Odds) -> u64) -> bool {
        let Some(run) = self.run.as_ref().filter(|_| !self.weather.is_calm()) else { return false };
        run.happens(odds(&self.weather.odds))
    }

    /// A random number for a fault.
    pub fn draw(&self, end: u64) -> u64 {
        self.run.as_ref().map_or(0, |run| run.draw(end))
    }

    pub fn note(&self, line: std::fmt::Arguments<'_>) {
        if let Some(run) = &self.run {
            run.note(format_args!("{} {line}", self.replica));
        }
    }

    /// A step of a port: it takes a while, and the replica may crash before its end.
    pub async fn step(&self, what: &str) {
        let Some(run) = &self.run else { return };
        self.note(format_args!("{what}"));
        if self.strikes(|odds| odds.crash) {
            run.crash(self.replica);
            std::future::pending::<()>().await;
        }
        let wait = if self.strikes(|odds| odds.slow) {
            Duration::from_millis(run.draw(4000))
        } else {
            Duration::from_micros(run.draw(3000))
        };
        self.environment.sleep(wait).await;
    }
}
