//! What goes wrong in a run, and how often; and the bugs that are planted to see that they are found.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use skeleton::Environment;

use super::time::{Dice, Run};

/// A bug of the store or the broker, switched on to see that the ledger complains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The inbox forgets what was handled.
    ForgottenInbox,
    /// Two transactions that take in the same message at once both find it new.
    UnlockedInbox,
    /// The inbox keeps a message whose transaction was given up.
    InboxOutsideOfTheTransaction,
    /// The effects of a transaction that was given up stay.
    EffectsOutsideOfTheTransaction,
    /// What a transaction that was given up wanted to publish is published.
    OutboxOutsideOfTheTransaction,
    /// What a transaction wanted to publish is forgotten when the reply to its commit is lost.
    OutboxLostWithTheReply,
    /// A message that the broker has not confirmed counts as confirmed.
    ConfirmTakenForGranted,
    /// A message that no queue takes counts as confirmed.
    UnroutableTakenAsDone,
    /// Several replicas relay at a time.
    RelayWithoutItsLock,
    /// How far a line has come is written at once, not with the transaction.
    LinesOutsideOfTheTransaction,
    /// Two transactions work on the same line at once.
    UnlockedLines,
    /// How far a line has come is not written.
    LinesNotAdvanced,
    /// Numbers of a subject are given out twice.
    NumbersGivenTwice,
    /// A message that is set aside is not kept.
    SetAsideNotKept,
    /// A waiting message stays when it is taken out.
    WaitingNotTakenOut,
    /// What waits for the message before it is never due.
    BehindNeverDue,
    /// What was handed out and not acknowledged does not come again.
    NothingComesAgain,
    /// A delayed job goes out before its time.
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

/// How often what goes wrong, in a thousand times. Each seed has other faults, and some have hardly any: what is hidden
/// behind a common fault is found where that one is missing.
#[derive(Clone, Debug, Default)]
pub struct Odds {
    /// A replica crashes at a step of a port.
    pub crash: u64,
    /// A step takes long.
    pub slow: u64,
    /// A message comes into a queue twice.
    pub twice: u64,
    /// A message overtakes others.
    pub overtaking: u64,
    /// A published message is lost on its way, unconfirmed.
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
    /// A store, the broker, or the topology is away for a while, looked at ten times a second.
    pub away: u64,
    /// A replica is stopped in order and started again, looked at ten times a second.
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

/// What goes wrong in a run.
pub struct Weather {
    odds: Odds,
    bug: Option<Bug>,
    is_calm: AtomicBool,
}

impl Weather {
    /// What a seed has in store.
    pub fn of(seed: u64, bug: Option<Bug>) -> Self {
        // Other numbers than the run's own.
        let odds = Odds::drawn_by(&mut Dice::of(seed ^ 0x57ea_7e12));
        Self { odds, bug, is_calm: AtomicBool::new(false) }
    }

    /// Nothing goes wrong.
    pub fn fine() -> Self {
        Self { odds: Odds::default(), bug: None, is_calm: AtomicBool::new(true) }
    }

    /// From here on nothing goes wrong any more, but for the planted bug.
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

/// Where a port is used from: a replica of a run, or a test without a run, where nothing goes wrong.
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

    /// A life in which nothing happens.
    pub fn quiet() -> Self {
        Self { weather: Arc::new(Weather::fine()), environment: Environment::system(), run: None, replica: 0 }
    }

    /// Whether this goes wrong now.
    pub fn strikes(&self, odds: impl FnOnce(&Odds) -> u64) -> bool {
        let Some(run) = self.run.as_ref().filter(|_| !self.weather.is_calm()) else { return false };
        run.happens(odds(&self.weather.odds))
    }

    /// A number for a fault that strikes.
    pub fn draw(&self, end: u64) -> u64 {
        self.run.as_ref().map_or(0, |run| run.draw(end))
    }

    pub fn note(&self, line: std::fmt::Arguments<'_>) {
        if let Some(run) = &self.run {
            run.note(format_args!("{} {line}", self.replica));
        }
    }

    /// A step of a port: it takes a while, and the replica may not live to see its end.
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
