//! The two services of a run: `contacts` publishes; `network` subscribes in all three ways and publishes too.

use std::sync::{Arc, OnceLock};

use contacts_events::{
    ContactChangedV2, ContactRemoved, ImportCancelled, ImportFailed, ImportFile, ImportFinished, ImportProgressed,
    ImportStarted,
};
use events::Message;
use network_events::IdentityLinked;
use skeleton::{
    Delay, Failure, HandlerResult, Problem, Publish, StoreError, Subscriptions,
    messaging::handlers::{Binding, Boxed, ByName},
    store::{Store, Transaction},
};
use uuid::Uuid;

use super::memory::{Memory, Tx};

/// The service that subscribes.
pub const CONSUMER: &str = "network";

/// The service that publishes first.
pub const PRODUCER: &str = "contacts";

/// A handler's requirement on order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    Latest,
    Order,
}

/// A handler, as the ledger sees it.
pub struct Handler {
    pub service: &'static str,
    pub name: &'static str,
    /// The message it handles, without the version.
    pub message: &'static str,
    pub needs: Needs,
    /// Whether it publishes an event for each message.
    pub publishes: bool,
}

impl Handler {
    const fn of(service: &'static str, name: &'static str, message: &'static str, needs: Needs) -> Self {
        Self { service, name, message, needs, publishes: false }
    }

    /// Whether it handles this message.
    pub fn handles(&self, name: &str) -> bool {
        name.rsplit_once(".v").is_some_and(|(name, _)| name == self.message)
    }
}

/// All handlers.
pub const HANDLERS: [Handler; 5] = [
    Handler { publishes: true, ..Handler::of(CONSUMER, "on_removed", "contacts.contact-removed", Needs::Nothing) },
    Handler::of(CONSUMER, "on_changed", "contacts.contact-changed", Needs::Latest),
    Handler::of(CONSUMER, "on_progressed", "contacts.import-progressed", Needs::Order),
    Handler::of(PRODUCER, "on_linked", "network.identity-linked", Needs::Nothing),
    Handler::of(PRODUCER, "import_file", "contacts.import-file", Needs::Nothing),
];

/// The requirements on order of a message's handlers.
pub fn needs_of(name: &str) -> Needs {
    HANDLERS.iter().find(|handler| handler.handles(name)).map_or(Needs::Nothing, |handler| handler.needs)
}

/// The result of handling a message. The message itself encodes it, in its account id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Sound,
    Refused,
    Failing,
}

impl Mood {
    fn of(owner: Uuid) -> Self {
        match owner.as_u128() {
            1 => Self::Refused,
            2 => Self::Failing,
            _ => Self::Sound,
        }
    }

    fn owner(self) -> Uuid {
        Uuid::from_u128(match self {
            Self::Sound => 3,
            Self::Refused => 1,
            Self::Failing => 2,
        })
    }

    /// Whether it always fails.
    pub fn is_poison(self) -> bool {
        self != Self::Sound
    }
}

/// The result of handling this message.
pub fn mood_of(name: &str, body: &[u8]) -> Mood {
    let field = if name.starts_with("contacts.import-") { "account_id" } else { "owner_id" };
    let data: serde_json::Value = serde_json::from_slice(body).expect("a service writes JSON");
    data[field].as_str().and_then(|owner| owner.parse().ok()).map_or(Mood::Sound, Mood::of)
}

async fn act(handler: &'static str, mood: Mood, tx: &mut Tx) -> HandlerResult {
    // Before the failure: the effect must then be rolled back.
    tx.effect(handler);
    tx.step("handles").await;
    match mood {
        Mood::Refused => Err(Problem::new(422, "refused", "this one is refused").into()),
        Mood::Failing => Err(Failure::retry("this one fails")),
        Mood::Sound if tx.is_to_fail() => Err(Failure::retry("this one fails at random")),
        Mood::Sound => Ok(()),
    }
}

async fn on_removed(removed: ContactRemoved, tx: &mut Tx) -> HandlerResult {
    tx.publish(IdentityLinked { contact_id: removed.contact_id, ..network_events::samples::identity_linked() })?;
    act("on_removed", Mood::of(removed.owner_id), tx).await
}

async fn on_changed(changed: ContactChangedV2, tx: &mut Tx) -> HandlerResult {
    act("on_changed", Mood::of(changed.owner_id), tx).await
}

async fn on_progressed(progressed: ImportProgressed, tx: &mut Tx) -> HandlerResult {
    act("on_progressed", Mood::of(progressed.account_id), tx).await
}

async fn on_linked(_: IdentityLinked, tx: &mut Tx) -> HandlerResult {
    act("on_linked", Mood::Sound, tx).await
}

async fn nothing<E>(_: E, _: &mut Tx) -> HandlerResult {
    Ok(())
}

/// The subscriptions of `network`. Built once: reading the schemas takes longer than a run.
pub fn of_network() -> &'static Subscriptions<Tx> {
    static ALL: OnceLock<Subscriptions<Tx>> = OnceLock::new();
    ALL.get_or_init(|| {
        Subscriptions::new()
            .on(on_removed)
            .on_latest(on_changed)
            .in_order(on_progressed)
            .in_order(nothing::<ImportStarted>)
            .in_order(nothing::<ImportFinished>)
            .in_order(nothing::<ImportFailed>)
            .in_order(nothing::<ImportCancelled>)
    })
}

/// The subscriptions of `contacts`.
pub fn of_contacts() -> &'static Subscriptions<Tx> {
    static ALL: OnceLock<Subscriptions<Tx>> = OnceLock::new();
    ALL.get_or_init(|| Subscriptions::new().on(on_linked))
}

/// The jobs of `contacts`, and the binding of their queue.
pub fn jobs() -> (ByName<Tx>, Binding) {
    let import_file: Boxed<Tx> = Arc::new(|_, tx| Box::pin(act("import_file", Mood::Sound, tx)));
    let exchange = format!("jobs.{}", ImportFile::SERVICE);
    (ByName::from([(ImportFile::NAME, import_file)]), Binding { exchange, routing_key: ImportFile::KEY.to_owned() })
}

/// A command to `contacts`, in one transaction.
#[derive(Clone, Debug)]
pub enum Wish {
    Remove { contact: u64, mood: Mood },
    Change { contact: u64, mood: Mood, times: u64 },
    Progress { import: u64, mood: Mood },
    Import { delay_ms: i64 },
}

impl Wish {
    /// Executes it. After an error, the outcome is unknown.
    pub async fn fulfil(self, store: &Memory, service: &Arc<skeleton::ServiceContext>) -> Result<(), StoreError> {
        let mut tx = store.begin(service, &[]).await?;
        self.write(&mut tx).await.map_err(StoreError::broken)?;
        tx.commit().await
    }

    async fn write(self, tx: &mut Tx) -> HandlerResult {
        match self {
            Self::Remove { contact, mood } => {
                let (contact_id, owner_id) = (subject(contact), mood.owner());
                tx.publish(ContactRemoved { contact_id, owner_id, ..contacts_events::samples::contact_removed() })
            }
            Self::Change { contact, mood, times } => {
                for _ in 0..times {
                    let (contact_id, owner_id) = (subject(contact), mood.owner());
                    tx.publish(ContactChangedV2 {
                        contact_id,
                        owner_id,
                        ..contacts_events::samples::contact_changed_v2()
                    })?;
                }
                Ok(())
            }
            Self::Progress { import, mood } => {
                let (import_id, account_id) = (subject(import), mood.owner());
                tx.publish(ImportProgressed { import_id, account_id, ..contacts_events::samples::import_progressed() })
            }
            Self::Import { delay_ms } => {
                let due = tx.now() + chrono::TimeDelta::milliseconds(delay_ms);
                tx.enqueue_at(ImportFile { import_id: subject(9), position: 0 }, due).await.map(drop)
            }
        }
    }
}

fn subject(number: u64) -> Uuid {
    Uuid::from_u128(u128::from(number) + 100)
}
