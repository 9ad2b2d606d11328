//! The doors of a service: which function handles which message.

use std::{
    any::Any,
    collections::BTreeMap,
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
};

use events::{Event, Excerpt, Message, Request};
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
    /// What it returns.
    type Future: Future<Output = Result<T, Failure>> + Send + 'a;

    /// Calls it.
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

/// A handler with its message's type forgotten: takes the data as it came.
pub type Boxed<Tx> = Arc<dyn for<'a> Fn(&'a [u8], &'a mut Tx) -> BoxFuture<'a, HandlerResult> + Send + Sync>;

/// Handlers by the full name of their message.
pub type ByName<Tx> = BTreeMap<&'static str, Boxed<Tx>>;

/// The events that a service listens to.
pub struct Subscriptions<Tx> {
    /// Who handles what.
    pub handlers: ByName<Tx>,
    /// What the queue is bound to.
    pub bindings: Vec<Binding>,
    pub(crate) reads: Vec<Reads>,
    /// Who needs what of the order.
    pub orders: Orders,
    pub(crate) retry: RetryOverrides,
}

/// A message that a service reads, and what of it.
#[derive(Clone, Copy, Debug)]
pub struct Reads {
    /// Its full name, in the version that the service is written against.
    pub message: &'static str,
    /// The fields that the handler's type reads, as pointers.
    pub fields: fn() -> Vec<String>,
    /// What it needs of their order.
    pub order: Order,
}

impl Reads {
    pub(super) fn of<E: Excerpt>() -> Self {
        Self { message: E::Of::NAME, fields: events::fields_read::<E>, order: Order::Any }
    }
}

/// What a queue is bound to.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Binding {
    /// The exchange.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
}

impl<Tx: Transaction + 'static> Subscriptions<Tx> {
    /// None yet.
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
    /// Older versions of the event come to the same function, upcast. The queue is bound to those that are still
    /// published: a producer that is not upgraded yet is heard, and of two copies of one event one is handled.
    pub fn on<E, H>(self, handler: H) -> Self
    where
        E: Excerpt,
        E::Of: Event,
        H: for<'a> Handler<'a, E, Tx, ()> + 'static,
    {
        self.add(Order::Any, handler)
    }

    /// The same; an event that is older than another of its subject that was handled by `on_latest` is skipped.
    pub fn on_latest<E, H>(self, handler: H) -> Self
    where
        E: Excerpt,
        E::Of: Event,
        H: for<'a> Handler<'a, E, Tx, ()> + 'static,
    {
        self.add(Order::LatestWins, handler)
    }

    /// The same; each event of a subject is handled after the one before it. What comes too early waits, and so does
    /// what comes after an event that failed. All events of the producer about such subjects must be taken so.
    pub fn in_order<E, H>(self, handler: H) -> Self
    where
        E: Excerpt,
        E::Of: Event,
        H: for<'a> Handler<'a, E, Tx, ()> + 'static,
    {
        self.add(Order::InOrder, handler)
    }

    /// What happens to an event that fails, where it is not what the shared settings say.
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

/// What is left to do of an order once its transaction is open; its reply comes written out.
pub type Prepared<Tx> = Box<dyn for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, HandlerResult<Vec<u8>>> + Send>;

/// Does of an order what needs no transaction.
pub type Prepare<S> =
    Arc<dyn Fn(&[u8], ReadContext<S>) -> BoxFuture<'static, HandlerResult<Prepared<<S as Store>::Tx>>> + Send + Sync>;

/// How a request is answered.
pub enum Answer<S: Store> {
    /// Without a transaction: nothing changes, and the same again may find something else.
    Read(BoxedRead<ReadContext<S>>),
    /// In a transaction, once: the same request again gets the first reply.
    Write(Prepare<S>),
    /// In a transaction, each time: the handler makes again the same as once. Nothing of the reply is kept.
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

/// What a reading handler gets: the store, and what the service was assembled with.
#[derive(Clone)]
pub struct ReadContext<S> {
    /// The store.
    pub store: S,
    pub(crate) service: Arc<crate::store::ServiceContext>,
}

impl<S> ReadContext<S> {
    /// A reading handler's view of a store.
    pub fn new(store: S, service: Arc<crate::store::ServiceContext>) -> Self {
        Self { store, service }
    }

    /// Something the service was assembled with, found by its type.
    pub fn resource<T: Any + Send + Sync>(&self) -> Arc<T> {
        self.service.get()
    }

    /// The time.
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

/// The requests that a service answers.
pub struct RequestHandlers<S: Store> {
    pub(crate) handlers: BTreeMap<&'static str, Answer<S>>,
    /// Who may ask what.
    pub(crate) callers_of: BTreeMap<&'static str, Vec<String>>,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) reads: Vec<Reads>,
}

impl<S: Store> RequestHandlers<S> {
    /// None yet.
    pub fn new() -> Self {
        Self { handlers: BTreeMap::new(), callers_of: BTreeMap::new(), bindings: Vec::new(), reads: Vec::new() }
    }

    /// Takes in others' answers, for these callers.
    pub(crate) fn add(&mut self, answers: Self, callers: &[&str]) {
        let callers: Vec<String> = callers.iter().map(|caller| (*caller).to_owned()).collect();
        self.callers_of.extend(answers.handlers.keys().map(|name| (*name, callers.clone())));
        self.handlers.extend(answers.handlers);
        self.bindings.extend(answers.bindings);
        self.reads.extend(answers.reads);
    }

    /// Everyone who may ask something.
    pub(crate) fn callers(&self) -> Vec<String> {
        let mut all = Vec::new();
        for caller in self.callers_of.values().flatten() {
            if !all.contains(caller) {
                all.push(caller.clone());
            }
        }
        all
    }

    /// Answers a question with this function: `async fn(R, ReadContext<S>) -> HandlerResult<R::Reply>`.
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

    /// Follows an order with this function: `async fn(R, &mut Tx) -> HandlerResult<R::Reply>`.
    pub fn write<R, H>(self, handler: H) -> Self
    where
        R: Request,
        H: for<'a> Handler<'a, R, S::Tx, R::Reply> + 'static,
    {
        self.write_after(|asked: R, _| ready(Ok(asked)), handler)
    }

    /// The same in two steps: what takes long comes first, without a transaction, `async fn(R, Reading<S>) ->
    /// Answered<P>`; the function gets what came of it. Given again, the order gets its first reply even where the
    /// first step would now refuse it.
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

    /// Follows an order whose reply must not be kept, because it holds secrets. Given again, the order is followed
    /// again: the handler sees to it that this changes nothing more. What the handler has written stays even where it
    /// refuses, so that it can count failures.
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
