//! The entry points of a service: which function handles which message.

use std::{
    any::Any,
    collections::BTreeMap,
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
};

use events::{Event, Excerpt, Message, Request, catalogue};
use futures::{FutureExt, future::BoxFuture};

use super::{
    order::{Order, Orders},
    reader::Reader,
};
use crate::{
    config::RetryOverrides,
    failure::{Failure, HandlerResult},
    store::{Store, Transaction, checks},
};

/// A function that takes a message and a transaction.
///
/// Implemented for every `async fn(M, &mut Tx) -> Result<T, Failure>`.
pub trait Handler<'a, M, Tx, T>: Send + Sync {
    /// The future of its result.
    type Future: Future<Output = Result<T, Failure>> + Send + 'a;

    /// Calls the function.
    fn call(&self, message: M, tx: &'a mut Tx) -> Self::Future;
}

impl<'a, M, Tx: 'a, T, F, Out> Handler<'a, M, Tx, T> for F
where
    F: Fn(M, &'a mut Tx) -> Out + Send + Sync,
    Out: Future<Output = Result<T, Failure>> + Send + 'a,
{
    type Future = Out;

    fn call(&self, message: M, tx: &'a mut Tx) -> Out {
        self(message, tx)
    }
}

/// A handler with its message type erased: takes the data as received.
pub type Boxed<Tx> = Arc<dyn for<'a> Fn(&'a [u8], &'a mut Tx) -> BoxFuture<'a, HandlerResult> + Send + Sync>;

/// Handlers by the full name of their message.
pub type ByName<Tx> = BTreeMap<&'static str, Boxed<Tx>>;

/// The events that a service consumes.
pub struct Subscriptions<Tx> {
    /// The handlers by message name.
    pub handlers: ByName<Tx>,
    /// The bindings of the queue.
    pub bindings: Vec<Binding>,
    pub(crate) reads: Vec<Reads>,
    /// The order that each handler requires.
    pub orders: Orders,
    pub(crate) retry: RetryOverrides,
}

/// A message that a service reads, and the fields that it reads.
#[derive(Clone, Copy, Debug)]
pub struct Reads {
    /// Its full name, in the version that the service is written against.
    pub message: &'static str,
    /// The fields that the handler's type reads, as JSON pointers.
    pub fields: fn() -> Vec<String>,
    /// The order that the handler requires.
    pub order: Order,
}

impl Reads {
    pub(super) fn of<E: Excerpt>() -> Self {
        catalogue::register(E::Of::package());
        Self { message: E::Of::NAME, fields: events::fields_read::<E>, order: Order::Any }
    }
}

/// The source of a queue's binding.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Binding {
    /// The exchange.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
}

impl<Tx: Transaction + 'static> Subscriptions<Tx> {
    /// Creates an empty set of subscriptions.
    pub fn new() -> Self {
        Self {
            handlers: BTreeMap::new(),
            bindings: Vec::new(),
            reads: Vec::new(),
            orders: Orders::default(),
            retry: RetryOverrides::default(),
        }
    }

    /// Handles an event with this function; its argument is the event, or an [`Excerpt`] of it.
    ///
    /// The same function gets older versions of the event, upcast. The queue is bound to those that are still
    /// published, so that events of a producer that is not upgraded yet arrive. Of two copies of one event, one is
    /// handled.
    pub fn on<E, H>(self, handler: H) -> Self
    where
        E: Excerpt,
        E::Of: Event,
        H: for<'a> Handler<'a, E, Tx, ()> + 'static,
    {
        self.add(Order::Any, handler)
    }

    /// The same, but an event is skipped if a later one of its subject was handled by `on_latest`.
    pub fn on_latest<E, H>(self, handler: H) -> Self
    where
        E: Excerpt,
        E::Of: Event,
        H: for<'a> Handler<'a, E, Tx, ()> + 'static,
    {
        self.add(Order::LatestWins, handler)
    }

    /// The same, but each event of a subject is handled after its predecessor. An event that comes too early waits, and
    /// so does the successor of an event that failed. All events of the producer about such subjects must be handled in
    /// order.
    pub fn in_order<E, H>(self, handler: H) -> Self
    where
        E: Excerpt,
        E::Of: Event,
        H: for<'a> Handler<'a, E, Tx, ()> + 'static,
    {
        self.add(Order::InOrder, handler)
    }

    /// Overrides the shared retry settings for events that fail.
    pub fn retrying(self, retry: RetryOverrides) -> Self {
        Self { retry, ..self }
    }

    fn add<E, H>(mut self, order: Order, handler: H) -> Self
    where
        E: Excerpt,
        E::Of: Event,
        H: for<'a> Handler<'a, E, Tx, ()> + 'static,
    {
        self.reads.push(Reads { order, ..Reads::of::<E>() });
        let (exchange, handler) = (format!("events.{}", E::Of::SERVICE), Arc::new(handler));
        for reader in Reader::<E>::of_all_versions() {
            if reader.is_published() {
                let routing_key = reader.version.key.to_owned();
                self.bindings.push(Binding { exchange: exchange.clone(), routing_key });
            }
            self.orders.set(reader.version.name, order);
            reader.keep(&mut self.handlers, boxed(reader.clone(), handler.clone()));
        }
        self
    }
}

impl<Tx: Transaction + 'static> Default for Subscriptions<Tx> {
    fn default() -> Self {
        Self::new()
    }
}

fn boxed<E, Tx, H>(reader: Reader<E>, handler: Arc<H>) -> Boxed<Tx>
where
    E: Excerpt,
    Tx: Transaction + 'static,
    H: for<'a> Handler<'a, E, Tx, ()> + 'static,
{
    Arc::new(move |body, tx| match reader.read(body) {
        Ok(_) if tx.unit_of_work().drops_messages() => Box::pin(ready(Ok(()))),
        Ok(message) => Box::pin(handler.call(message, tx)),
        Err(failure) => Box::pin(async move { Err(failure) }),
    })
}

/// A function that takes a question and a store.
///
/// Implemented for every `async fn(R, ReadContext<S>) -> Result<T, Failure>`.
pub type BoxedRead<S> =
    Arc<dyn Fn(Vec<u8>, S) -> Pin<Box<dyn Future<Output = HandlerResult<Vec<u8>>> + Send>> + Send + Sync>;

/// The part of a command that runs inside the transaction; its reply is serialised.
pub type Prepared<Tx> = Box<dyn for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, HandlerResult<Vec<u8>>> + Send>;

/// Runs the part of a command that needs no transaction.
pub type Prepare<S> =
    Arc<dyn Fn(&[u8], ReadContext<S>) -> BoxFuture<'static, HandlerResult<Prepared<<S as Store>::Tx>>> + Send + Sync>;

/// How a request is handled.
pub enum Answer<S: Store> {
    /// Without a transaction: nothing changes, and a repeat may get another reply.
    Read(BoxedRead<ReadContext<S>>),
    /// In a transaction, once: a repeat gets the first reply.
    Write(Prepare<S>),
    /// In a transaction, each time: the handler makes a repeat idempotent. The reply is not stored.
    WriteWithoutStoredReply(Prepare<S>),
}

impl<S: Store> Clone for Answer<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Read(handler) => Self::Read(handler.clone()),
            Self::Write(prepare) => Self::Write(prepare.clone()),
            Self::WriteWithoutStoredReply(prepare) => Self::WriteWithoutStoredReply(prepare.clone()),
        }
    }
}

/// The argument of a read handler: the store, and the resources of the service.
#[derive(Clone)]
pub struct ReadContext<S> {
    /// The store.
    pub store: S,
    pub(crate) service: Arc<crate::store::ServiceContext>,
}

impl<S> ReadContext<S> {
    /// Creates the read context of a store.
    pub fn new(store: S, service: Arc<crate::store::ServiceContext>) -> Self {
        Self { store, service }
    }

    /// A resource of the service, found by its type.
    pub fn resource<T: Any + Send + Sync>(&self) -> Arc<T> {
        self.service.get()
    }

    /// The current time.
    pub fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.service.environment.now()
    }
}

impl<S> std::ops::Deref for ReadContext<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.store
    }
}

/// The requests that a service serves.
pub struct RequestHandlers<S: Store> {
    pub(crate) handlers: BTreeMap<&'static str, Answer<S>>,
    /// The callers permitted for each request.
    pub(crate) callers_of: BTreeMap<&'static str, Vec<String>>,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) reads: Vec<Reads>,
}

impl<S: Store> RequestHandlers<S> {
    /// Creates an empty set of request handlers.
    pub fn new() -> Self {
        Self { handlers: BTreeMap::new(), callers_of: BTreeMap::new(), bindings: Vec::new(), reads: Vec::new() }
    }

    /// Adds request handlers for these callers.
    pub(crate) fn add(&mut self, answers: Self, callers: &[&str]) {
        let callers: Vec<String> = callers.iter().map(|caller| (*caller).to_owned()).collect();
        self.callers_of.extend(answers.handlers.keys().map(|name| (*name, callers.clone())));
        self.handlers.extend(answers.handlers);
        self.bindings.extend(answers.bindings);
        self.reads.extend(answers.reads);
    }

    /// All services that may send a request.
    pub(crate) fn callers(&self) -> Vec<String> {
        let mut all = Vec::new();
        for caller in self.callers_of.values().flatten() {
            if !all.contains(caller) {
                all.push(caller.clone());
            }
        }
        all
    }

    /// Serves a question with this function: `async fn(R, ReadContext<S>) -> HandlerResult<R::Reply>`.
    pub fn read<R, F, Out>(mut self, handler: F) -> Self
    where
        R: Request,
        F: Fn(R, ReadContext<S>) -> Out + Send + Sync + 'static,
        Out: Future<Output = HandlerResult<R::Reply>> + Send + 'static,
    {
        self.bind::<R>();
        let reader = Reader::<R>::of_its_version();
        let answer: BoxedRead<ReadContext<S>> = Arc::new(move |body, store| match reader.read(&body) {
            Ok(asked) => Box::pin(handler(asked, store).map(|answered| written::<R>(&answered?))),
            Err(failure) => Box::pin(async move { Err(failure) }),
        });
        self.handlers.insert(R::NAME, Answer::Read(answer));
        self
    }

    /// Serves a command with this function: `async fn(R, &mut Tx) -> HandlerResult<R::Reply>`.
    pub fn write<R, H>(self, handler: H) -> Self
    where
        R: Request,
        H: for<'a> Handler<'a, R, S::Tx, R::Reply> + 'static,
    {
        self.write_after(|asked: R, _| ready(Ok(asked)), handler)
    }

    /// The same in two steps. The slow part comes first, without a transaction: `async fn(R, ReadContext<S>) ->
    /// HandlerResult<P>`. The handler gets its result. A repeat of the command gets the first reply even if the first
    /// step would refuse it now.
    pub fn write_after<R, P, F, Out, H>(mut self, prepare: F, handler: H) -> Self
    where
        R: Request,
        P: Send + 'static,
        F: Fn(R, ReadContext<S>) -> Out + Send + Sync + 'static,
        Out: Future<Output = HandlerResult<P>> + Send + 'static,
        H: for<'a> Handler<'a, P, S::Tx, R::Reply> + 'static,
    {
        self.bind::<R>();
        self.handlers.insert(R::NAME, Answer::Write(in_two_steps(prepare, handler)));
        self
    }

    /// Serves a command whose reply must not be stored, because it contains secrets. A repeat is handled again: the
    /// handler makes sure that it changes nothing more. The handler's writes are committed even if it refuses, so that
    /// it can count failures.
    pub fn write_without_stored_reply_after<R, P, F, Out, H>(mut self, prepare: F, handler: H) -> Self
    where
        R: Request,
        P: Send + 'static,
        F: Fn(R, ReadContext<S>) -> Out + Send + Sync + 'static,
        Out: Future<Output = HandlerResult<P>> + Send + 'static,
        H: for<'a> Handler<'a, P, S::Tx, R::Reply> + 'static,
    {
        self.bind::<R>();
        self.handlers.insert(R::NAME, Answer::WriteWithoutStoredReply(in_two_steps(prepare, handler)));
        self
    }

    /// The same without a first step.
    pub fn write_without_stored_reply<R, H>(self, handler: H) -> Self
    where
        R: Request,
        H: for<'a> Handler<'a, R, S::Tx, R::Reply> + 'static,
    {
        self.write_without_stored_reply_after(|asked: R, _| ready(Ok(asked)), handler)
    }

    fn bind<R: Request>(&mut self) {
        self.reads.push(Reads::of::<R>());
        self.bindings.push(Binding { exchange: format!("requests.{}", R::SERVICE), routing_key: R::KEY.to_owned() });
    }
}

impl<S: Store> Default for RequestHandlers<S> {
    fn default() -> Self {
        Self::new()
    }
}

fn in_two_steps<S, R, P, F, Out, H, T>(prepare: F, handler: H) -> Prepare<S>
where
    S: Store,
    R: Request<Reply = T>,
    P: Send + 'static,
    F: Fn(R, ReadContext<S>) -> Out + Send + Sync + 'static,
    Out: Future<Output = HandlerResult<P>> + Send + 'static,
    H: for<'a> Handler<'a, P, S::Tx, T> + 'static,
    T: serde::Serialize + Send + 'static,
{
    let (reader, handler) = (Reader::<R>::of_its_version(), Arc::new(handler));
    Arc::new(move |body, reading| {
        let (preparing, handler) = (reader.read(body).map(|asked| prepare(asked, reading)), handler.clone());
        Box::pin(async move {
            let prepared = preparing?.await?;
            let rest: Prepared<S::Tx> =
                Box::new(move |tx| Box::pin(async move { written::<R>(&handler.call(prepared, tx).await?) }));
            Ok(rest)
        })
    })
}

fn written<R: Request>(reply: &impl serde::Serialize) -> HandlerResult<Vec<u8>> {
    let body = serde_json::to_vec(reply).map_err(Failure::bug)?;
    checks::reply::<R>(&body)?;
    Ok(body)
}
