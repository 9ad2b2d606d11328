//! The skeleton's own state beside a transaction: the message that caused the work, and the messages to publish.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use events::{Envelope, Job, Message, TraceParent, catalogue};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, broadcast};
use uuid::Uuid;

use super::{Outcome, Outgoing, Publisher, checks};
use crate::{
    environment::Environment,
    failure::{Failure, Problem},
};

/// The state that all work of a running service shares.
pub struct ServiceContext {
    /// The service's name.
    pub name: String,
    /// Clock and random numbers.
    pub environment: Environment,
    /// Notified after a commit that staged delayed jobs.
    pub(crate) delays: Notify,
    sender: OnceLock<Sender>,
    resources: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
    endings: broadcast::Sender<Ending>,
    replays: AtomicBool,
}

/// Sends messages without the outbox; true after the broker has confirmed all of them.
type Sender = Box<dyn Fn(Vec<Outgoing>) -> BoxFuture<'static, bool> + Send + Sync>;

/// How the handling of a message ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The message.
    pub message: Uuid,
    /// `done`, `waiting`, `behind`, `dropped` or `parked`.
    pub outcome: &'static str,
    /// The reason, if the outcome is not `done`.
    pub reason: Option<String>,
}

impl ServiceContext {
    /// A context without resources.
    pub fn new(name: impl Into<String>, environment: Environment) -> Self {
        // A receiver that lags loses the oldest entries: only tests depend on it.
        let (endings, _) = broadcast::channel(4096);
        Self {
            name: name.into(),
            environment,
            delays: Notify::new(),
            sender: OnceLock::new(),
            resources: HashMap::new(),
            replays: AtomicBool::new(false),
            endings,
        }
    }

    /// Sets the publisher for messages that bypass the outbox; called once, at startup.
    pub(crate) fn sends_with<P: Publisher + 'static>(&self, publisher: Arc<P>) {
        let sender: Sender = Box::new(move |messages| {
            let publisher = publisher.clone();
            Box::pin(async move {
                let is_sent = |it: &Outcome| matches!(it, Outcome::Confirmed | Outcome::Unroutable);
                let mut left = messages;
                while !left.is_empty() {
                    // None is published after one without a queue: these have no order, so the others follow.
                    let sent = publisher.publish(left.clone()).await.iter().take_while(|it| is_sent(it)).count();
                    if sent == 0 {
                        return false;
                    }
                    left.drain(..sent);
                }
                true
            })
        });
        // A second start with the same context keeps the first publisher, which works as well.
        let _ = self.sender.set(sender);
    }

    /// Sends messages without the outbox. Returns true after the broker has confirmed all of them, in every queue bound
    /// for them.
    pub(crate) async fn send(&self, messages: Vec<Outgoing>) -> bool {
        match self.sender.get() {
            Some(send) => send(messages).await,
            None => false,
        }
    }

    /// Marks everything that this process handles from here on as a replay of past events.
    pub(crate) fn begin_replay(&self) {
        self.replays.store(true, Ordering::Relaxed);
    }

    /// Whether this process handles past events again.
    pub(crate) fn is_replay(&self) -> bool {
        self.replays.load(Ordering::Relaxed)
    }

    /// Subscribes to the outcomes of handled messages.
    pub fn endings(&self) -> broadcast::Receiver<Ending> {
        self.endings.subscribe()
    }

    pub(crate) fn ended(&self, message: Uuid, outcome: &'static str, reason: Option<&str>) {
        if self.endings.receiver_count() > 0 {
            // Fails only if the last receiver has just been dropped.
            let _ = self.endings.send(Ending { message, outcome, reason: reason.map(str::to_owned) });
        }
    }

    /// Adds a resource that handlers need; it is found by its type.
    pub fn put<T: Any + Send + Sync>(&mut self, resource: T) {
        self.resources.insert(TypeId::of::<T>(), Arc::new(resource));
    }

    /// The resource of this type, if there is one.
    pub fn find<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.resources.get(&TypeId::of::<T>()).and_then(|resource| resource.clone().downcast().ok())
    }

    /// The resource of this type.
    ///
    /// # Panics
    /// Panics if the service was assembled without a resource of this type. The first test detects this mistake.
    pub fn get<T: Any + Send + Sync>(&self) -> Arc<T> {
        self.find()
            .unwrap_or_else(|| panic!("{}: the service has no resource {}", self.name, std::any::type_name::<T>()))
    }
}

/// A message that is published when the transaction commits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PendingMessage {
    /// The exchange.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// Its envelope; the store assigns the sequence.
    pub envelope: Envelope,
    /// Its data, JSON.
    pub body: String,
}

impl PendingMessage {
    /// The subject whose next sequence the message gets. Jobs get none: the sequences of a subject's events have no
    /// gaps.
    pub fn numbered_subject(&self) -> Option<&str> {
        self.envelope.subject.as_deref().filter(|_| self.exchange.starts_with("events."))
    }
}

/// The skeleton's own state beside a transaction.
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
    /// Work of a service that no message has caused.
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

    /// Sets the message that causes the work from here on.
    pub fn caused_by(&mut self, message: &Envelope) {
        self.trace = self.service.environment.child_of(message.trace);
        self.cause = Some(message.clone());
    }

    /// Records the lines that the transaction advances.
    pub(crate) fn moves(&mut self, lines: impl IntoIterator<Item = String>) {
        self.moved_lines.extend(lines);
    }

    /// Takes out the lines that the transaction advances.
    pub(crate) fn take_moved_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.moved_lines)
    }

    /// Drops messages from here on: they are recorded as handled, and their handlers are not called.
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

    /// The envelope of the current message.
    pub fn cause(&self) -> Option<&Envelope> {
        self.cause.as_ref()
    }

    /// The sequence of the current event, among those of its subject.
    ///
    /// # Errors
    /// Rejects a message without a sequence.
    pub fn sequence(&self) -> Result<i64, Failure> {
        let detail = "the message has no sequence, so its age relative to other events is unknown";
        let sequence = self.cause.as_ref().and_then(|cause| cause.sequence);
        Ok(sequence.ok_or_else(|| Problem::new(400, "malformed-message", detail))?)
    }

    /// Declares that the reply to the current request is about this account, so that erasing the account deletes it.
    /// Only needed if the request is not made on the account's behalf.
    pub fn reply_is_about(&mut self, account: Uuid) {
        self.account = Some(account);
    }

    /// The account that the reply to the current request is about.
    pub(crate) fn account(&self) -> Option<Uuid> {
        self.account.or_else(|| self.cause.as_ref().and_then(|cause| cause.actor))
    }

    /// Takes out the messages to publish with the transaction.
    pub fn take_pending(&mut self) -> Vec<PendingMessage> {
        std::mem::take(&mut self.staged)
    }

    /// Stages a message that was staged and kept before.
    pub(crate) fn stage_again(&mut self, staged: PendingMessage) {
        self.staged.push(staged);
    }

    /// Removes a staged message, so that it is not published.
    pub(crate) fn unstage(&mut self, id: Uuid) {
        self.staged.retain(|staged| staged.envelope.id != id);
    }

    pub(super) fn stage<M: Message>(&mut self, exchange: String, message: &M) -> Result<Uuid, Failure> {
        let staged = self.written(exchange, message)?;
        let id = staged.envelope.id;
        self.staged.push(staged);
        Ok(id)
    }

    /// Stages messages that were written earlier.
    pub(crate) fn release(&mut self, written: Vec<PendingMessage>) {
        self.staged.extend(written);
    }

    /// Takes over the messages of another handler in the same transaction.
    pub(crate) fn take_over(&mut self, other: &mut Self) {
        self.staged.append(&mut other.staged);
        self.has_delays |= other.has_delays;
    }

    /// Records that the transaction holds delayed jobs.
    pub fn delays(&mut self) {
        self.has_delays = true;
    }

    /// Notifies the waiting loops after the transaction has committed.
    pub fn committed(&self) {
        if self.has_delays {
            self.service.delays.notify_one();
        }
    }

    /// A job of this service, ready to be staged.
    pub(crate) fn written_job<J: Job>(&self, job: &J) -> Result<PendingMessage, Failure> {
        self.written(format!("jobs.{}", self.service.name), job)
    }

    fn written<M: Message>(&self, exchange: String, message: &M) -> Result<PendingMessage, Failure> {
        // Its older versions are published beside it, and operators see its data, by its name.
        catalogue::register(M::package());
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
