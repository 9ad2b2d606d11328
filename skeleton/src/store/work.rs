//! What the skeleton keeps beside a transaction: for whom the work is done, and what it wants to publish.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use chrono::{DateTime, Utc};
use events::{Envelope, Event, Job, Message, TraceParent};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, broadcast};
use uuid::Uuid;

use super::{Outcome, Outgoing, Publisher, Transaction, checks};
use crate::{
    environment::Environment,
    failure::{Failure, Problem},
};

/// What all work of one running service shares.
pub struct ServiceContext {
    /// The service's name.
    pub name: String,
    /// Clock and chance.
    pub environment: Environment,
    /// Rings when a transaction of this process has committed delayed jobs.
    pub(crate) delays: Notify,
    sender: OnceLock<Sender>,
    resources: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
    endings: broadcast::Sender<Ending>,
}

/// Sends messages past the outbox; true once the broker has all of them.
type Sender = Box<dyn Fn(Vec<Outgoing>) -> BoxFuture<'static, bool> + Send + Sync>;

/// How the handling of a message ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The message.
    pub message: Uuid,
    /// `done`, `waiting`, `behind`, `dropped` or `parked`.
    pub outcome: &'static str,
    /// Why it was not done.
    pub reason: Option<String>,
}

impl ServiceContext {
    /// A context without resources.
    pub fn new(name: impl Into<String>, environment: Environment) -> Self {
        // Whoever watches and falls behind misses the oldest: nothing depends on it but tests.
        let (endings, _) = broadcast::channel(4096);
        Self {
            name: name.into(),
            environment,
            delays: Notify::new(),
            sender: OnceLock::new(),
            resources: HashMap::new(),
            endings,
        }
    }

    /// Says how messages are sent past the outbox: once, at the start.
    pub(crate) fn sends_with<P: Publisher + 'static>(&self, publisher: Arc<P>) {
        let sender: Sender = Box::new(move |messages| {
            let publisher = publisher.clone();
            Box::pin(async move { publisher.publish(messages).await.iter().all(|it| *it != Outcome::Unknown) })
        });
        // A second start of one context would find the first publisher, which is as good.
        let _ = self.sender.set(sender);
    }

    /// Sends messages past the outbox. True once the broker has all of them, in whatever queue wants them.
    pub(crate) async fn send(&self, messages: Vec<Outgoing>) -> bool {
        match self.sender.get() {
            Some(send) => send(messages).await,
            None => false,
        }
    }

    /// Watches how the handling of messages ends.
    pub fn endings(&self) -> broadcast::Receiver<Ending> {
        self.endings.subscribe()
    }

    pub(crate) fn ended(&self, message: Uuid, outcome: &'static str, reason: Option<&str>) {
        if self.endings.receiver_count() > 0 {
            // Refused only where the last watcher has just left.
            let _ = self.endings.send(Ending { message, outcome, reason: reason.map(str::to_owned) });
        }
    }

    /// Adds something that handlers need, found by its type.
    pub fn put<T: Any + Send + Sync>(&mut self, resource: T) {
        self.resources.insert(TypeId::of::<T>(), Arc::new(resource));
    }

    /// What was put in under this type, if anything was.
    pub fn find<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.resources.get(&TypeId::of::<T>()).and_then(|resource| resource.clone().downcast().ok())
    }

    /// What was put in under this type.
    ///
    /// # Panics
    /// Where the service's assembly has put nothing of this type in: a mistake that the first test finds.
    pub fn get<T: Any + Send + Sync>(&self) -> Arc<T> {
        self.find()
            .unwrap_or_else(|| panic!("{}: the service is assembled without {}", self.name, std::any::type_name::<T>()))
    }
}

/// A message that leaves with the transaction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PendingMessage {
    /// Where it goes.
    pub exchange: String,
    /// With which routing key.
    pub routing_key: String,
    /// Its envelope; the sequence is given out by the store.
    pub envelope: Envelope,
    /// Its data, JSON.
    pub body: String,
}

impl PendingMessage {
    /// The subject whose next number the message gets. Jobs get none: the numbers of a subject's events have no gaps.
    pub fn numbered_subject(&self) -> Option<&str> {
        self.envelope.subject.as_deref().filter(|_| self.exchange.starts_with("events."))
    }
}

/// What the skeleton keeps beside a transaction.
pub struct UnitOfWork {
    service: Arc<ServiceContext>,
    cause: Option<Envelope>,
    trace: TraceParent,
    staged: Vec<PendingMessage>,
    has_delays: bool,
    account: Option<Uuid>,
    drops: bool,
    moved_lines: Vec<String>,
}

impl UnitOfWork {
    /// Work of a service that nothing has caused yet.
    pub fn new(service: Arc<ServiceContext>) -> Self {
        let trace = service.environment.new_trace();
        Self {
            service,
            cause: None,
            trace,
            staged: Vec::new(),
            has_delays: false,
            account: None,
            drops: false,
            moved_lines: Vec::new(),
        }
    }

    /// From here on the work is done because of this message.
    pub fn caused_by(&mut self, message: &Envelope) {
        self.trace = self.service.environment.child_of(message.trace);
        self.cause = Some(message.clone());
    }

    /// Notes the lines that the transaction moves on.
    pub(crate) fn moves(&mut self, lines: impl IntoIterator<Item = String>) {
        self.moved_lines.extend(lines);
    }

    /// The lines that the transaction moves on, taken out.
    pub(crate) fn take_moved_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.moved_lines)
    }

    /// From here on messages are dropped: recorded as handled, without their handlers.
    pub(crate) fn drop_messages(&mut self) {
        self.drops = true;
    }

    /// Whether messages are dropped.
    pub(crate) fn drops_messages(&self) -> bool {
        self.drops
    }

    /// The running service.
    pub fn service(&self) -> &Arc<ServiceContext> {
        &self.service
    }

    /// The envelope of the message that is handled.
    pub fn cause(&self) -> Option<&Envelope> {
        self.cause.as_ref()
    }

    /// The sequence of the event that is handled, among those of its subject.
    ///
    /// # Errors
    /// Rejects a message without a sequence.
    pub fn sequence(&self) -> Result<i64, Failure> {
        let detail = "the message has no sequence: without it, old and new cannot be told apart";
        let sequence = self.cause.as_ref().and_then(|cause| cause.sequence);
        Ok(sequence.ok_or_else(|| Problem::new(400, "malformed-message", detail))?)
    }

    /// The reply to the request that is handled is about this account, and goes with it when it is erased. Needs to be
    /// said only where the request does not come on the account's behalf.
    pub fn reply_is_about(&mut self, account: Uuid) {
        self.account = Some(account);
    }

    /// Whom the reply to the request that is handled is about.
    pub(crate) fn account(&self) -> Option<Uuid> {
        self.account.or_else(|| self.cause.as_ref().and_then(|cause| cause.actor))
    }

    /// What leaves with the transaction, taken out.
    pub fn take_pending(&mut self) -> Vec<PendingMessage> {
        std::mem::take(&mut self.staged)
    }

    /// Has a message leave with the transaction that was staged, and kept, before.
    pub(crate) fn stage_again(&mut self, staged: PendingMessage) {
        self.staged.push(staged);
    }

    /// Keeps a staged message from leaving.
    pub(crate) fn unstage(&mut self, id: Uuid) {
        self.staged.retain(|staged| staged.envelope.id != id);
    }

    fn stage<M: Message>(&mut self, exchange: String, message: &M) -> Result<Uuid, Failure> {
        let staged = self.written(exchange, message)?;
        let id = staged.envelope.id;
        self.staged.push(staged);
        Ok(id)
    }

    /// Lets messages leave with the transaction that were written earlier.
    pub(crate) fn release(&mut self, written: Vec<PendingMessage>) {
        self.staged.extend(written);
    }

    /// Takes over what another handler of the same transaction wants to publish.
    pub(crate) fn take_over(&mut self, other: &mut Self) {
        self.staged.append(&mut other.staged);
        self.has_delays |= other.has_delays;
    }

    /// Notes that the transaction holds delayed jobs.
    pub fn delays(&mut self) {
        self.has_delays = true;
    }

    /// Wakes who waits for what the transaction, now committed, has written.
    pub fn committed(&self) {
        if self.has_delays {
            self.service.delays.notify_one();
        }
    }

    /// A job of this service as it will leave.
    pub(crate) fn written_job<J: Job>(&self, job: &J) -> Result<PendingMessage, Failure> {
        self.written(format!("jobs.{}", self.service.name), job)
    }

    fn written<M: Message>(&self, exchange: String, message: &M) -> Result<PendingMessage, Failure> {
        let body = serde_json::to_string(message).map_err(Failure::bug)?;
        let subject = message.subject();
        checks::size(&body)?;
        checks::subject(subject.as_deref())?;
        checks::schema::<M>(body.as_bytes())?;
        let cause = self.cause.as_ref();
        let environment = &self.service.environment;
        let envelope = Envelope {
            id: environment.new_message_id(),
            name: M::NAME.to_owned(),
            source: format!("/{}", self.service.name),
            time: environment.now(),
            subject,
            sequence: None,
            trace: Some(self.trace),
            correlation_id: cause.map(|cause| cause.correlation_id.unwrap_or(cause.id)),
            causation_id: cause.map(|cause| cause.id),
            actor: cause.and_then(|cause| cause.actor),
            deadline: None,
        };
        Ok(PendingMessage { exchange, routing_key: M::KEY.to_owned(), envelope, body })
    }
}

/// What handlers do with a transaction beside reading and writing their own data.
pub trait Publish: Transaction {
    /// Publishes an event with the transaction: when and only when it commits.
    ///
    /// # Errors
    /// Rejects a message of more than 256 kB, or with a subject of more than 1,024 bytes.
    fn publish<E: Event>(&mut self, event: E) -> Result<(), Failure> {
        let exchange = format!("events.{}", self.unit_of_work().service.name);
        self.unit_of_work_mut().stage(exchange, &event).map(drop)
    }

    /// Puts a job into the service's own queue, when and only when the transaction commits. Returns the job's id.
    ///
    /// # Errors
    /// Rejects a job of more than 256 kB, or with a subject of more than 1,024 bytes.
    fn enqueue<J: Job>(&mut self, job: J) -> Result<Uuid, Failure> {
        let exchange = format!("jobs.{}", self.unit_of_work().service.name);
        self.unit_of_work_mut().stage(exchange, &job)
    }

    /// The time this work is done at.
    fn now(&self) -> DateTime<Utc> {
        self.unit_of_work().service.environment.now()
    }

    /// A new random id, safe to show to strangers.
    fn new_id(&self) -> Uuid {
        self.unit_of_work().service.environment.new_id()
    }

    /// The id of the message that is handled: the same for each delivery of it.
    fn message_id(&self) -> Option<Uuid> {
        self.unit_of_work().cause().map(|message| message.id)
    }

    /// The sequence of the event that is handled, among those of its subject.
    ///
    /// # Errors
    /// Rejects a message without a sequence.
    fn sequence(&self) -> Result<i64, Failure> {
        self.unit_of_work().sequence()
    }

    /// Something the service was assembled with, found by its type.
    fn resource<T: Any + Send + Sync>(&self) -> Arc<T> {
        self.unit_of_work().service.get()
    }
}
