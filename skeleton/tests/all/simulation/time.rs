//! Time, randomness and tasks of one simulated run: one thread, one seed, and a clock that jumps from timer to timer.
//!
//! The seed also draws which runnable task continues next, so each seed is another interleaving.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::Future,
    hash::{DefaultHasher, Hasher as _},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures::{FutureExt, future::BoxFuture};
use skeleton::{Clock, Environment, Rng};

/// Locks a mutex that only one thread of a run uses.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Random numbers from a seed (SplitMix64). Not from a library: a recorded seed must mean the same after an upgrade.
pub struct Dice(u64);

impl Dice {
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, not including, `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}

/// The owner of a task: a replica, which can crash, or none.
pub type Owner = Option<u64>;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One simulated run.
pub struct Run {
    state: Mutex<State>,
    ready: Arc<Mutex<Vec<u64>>>,
}

struct State {
    now: Duration,
    dice: Dice,
    drawn: u64,
    timers: BTreeMap<(Duration, u64), Waker>,
    started: Vec<(u64, Owner, Work)>,
    next_number: u64,
    to_crash: Vec<u64>,
    crashed: BTreeSet<u64>,
    hash: DefaultHasher,
    prints: bool,
}

/// Wakes a task of a run.
struct Bell {
    task: u64,
    is_ready: AtomicBool,
    ready: Arc<Mutex<Vec<u64>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        if !self.is_ready.swap(true, Relaxed) {
            locked(&self.ready).push(self.task);
        }
    }
}

struct Task {
    owner: Owner,
    bell: Arc<Bell>,
    work: Work,
}

impl Run {
    /// A run of this seed. Prints its steps if requested.
    pub fn of(seed: u64, prints: bool) -> Arc<Self> {
        let state = State {
            now: Duration::ZERO,
            dice: Dice::of(seed),
            drawn: 0,
            timers: BTreeMap::new(),
            started: Vec::new(),
            next_number: 0,
            to_crash: Vec::new(),
            crashed: BTreeSet::new(),
            hash: DefaultHasher::new(),
            prints,
        };
        Arc::new(Self { state: Mutex::new(state), ready: Arc::default() })
    }

    /// The environment of the code under test: the run's clock and random numbers.
    pub fn environment(self: &Arc<Self>) -> Environment {
        Environment::new(Timer(self.clone()), Lot(self.clone()))
    }

    /// How long the run has lasted by its own clock.
    pub fn elapsed(&self) -> Duration {
        locked(&self.state).now
    }

    /// A number from 0 up to, not including, `end`.
    pub fn draw(&self, end: u64) -> u64 {
        let mut state = locked(&self.state);
        state.drawn += 1;
        state.dice.below(end)
    }

    /// Whether an event with this probability, in thousandths, happens now.
    pub fn happens(&self, in_a_thousand: u64) -> bool {
        in_a_thousand > 0 && self.draw(1000) < in_a_thousand
    }

    /// Starts a task. Returns a flag that is set when the task has ended.
    pub fn spawn(&self, owner: Owner, work: impl Future<Output = ()> + Send + 'static) -> Arc<AtomicBool> {
        let has_ended = Arc::new(AtomicBool::new(false));
        let ended = has_ended.clone();
        let mut state = locked(&self.state);
        state.next_number += 1;
        let number = state.next_number;
        state.started.push((number, owner, Box::pin(work.map(move |()| ended.store(true, Relaxed)))));
        has_ended
    }

    /// Ends all tasks of a replica at once, before any other task runs.
    pub fn crash(&self, replica: u64) {
        self.note(format_args!("replica {replica} crashes"));
        let mut state = locked(&self.state);
        state.to_crash.push(replica);
        state.crashed.insert(replica);
    }

    /// Whether a replica has crashed.
    pub fn has_crashed(&self, replica: u64) -> bool {
        locked(&self.state).crashed.contains(&replica)
    }

    /// Adds a line to the record of the run.
    pub fn note(&self, line: fmt::Arguments<'_>) {
        let mut state = locked(&self.state);
        let now = state.now.as_micros();
        let text = format!("{now:>10} {line}");
        state.hash.write(text.as_bytes());
        if state.prints {
            println!("{text}");
        }
    }

    /// A number that is equal for two runs only if all their steps and draws are equal.
    pub fn fingerprint(&self) -> u64 {
        let state = locked(&self.state);
        let mut hash = state.hash.clone();
        hash.write_u64(state.drawn);
        hash.write_u128(state.now.as_micros());
        hash.finish()
    }

    /// Runs all tasks until a condition holds, no task can continue, or the time is over. Returns whether it holds.
    pub fn until(&self, limit: Duration, mut is_so: impl FnMut() -> bool) -> bool {
        let mut tasks: BTreeMap<u64, Task> = BTreeMap::new();
        while !is_so() {
            self.update_tasks(&mut tasks);
            let next = self.next_ready();
            let Some(task) = next else {
                if self.elapsed() > limit || !self.skip_to_next_timer() {
                    return false;
                }
                continue;
            };
            let Some(Task { bell, work, .. }) = tasks.get_mut(&task) else { continue };
            bell.is_ready.store(false, Relaxed);
            let waker = Waker::from(bell.clone());
            if work.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                tasks.remove(&task);
            }
        }
        // Not while the state is locked: dropping a task may need it.
        let never_begun = std::mem::take(&mut locked(&self.state).started);
        drop(never_begun);
        true
    }

    /// Removes the tasks of crashed replicas, and adds the started ones.
    fn update_tasks(&self, tasks: &mut BTreeMap<u64, Task>) {
        let (crashed, started) = {
            let mut state = locked(&self.state);
            (std::mem::take(&mut state.to_crash), std::mem::take(&mut state.started))
        };
        for (number, owner, work) in started {
            let bell = Arc::new(Bell { task: number, is_ready: AtomicBool::new(true), ready: self.ready.clone() });
            locked(&self.ready).push(number);
            tasks.insert(number, Task { owner, bell, work });
        }
        if !crashed.is_empty() {
            // Dropping a task releases what it holds, which may wake others.
            tasks.retain(|_, task| task.owner.is_none_or(|owner| !crashed.contains(&owner)));
        }
    }

    fn next_ready(&self) -> Option<u64> {
        let many = locked(&self.ready).len() as u64;
        if many == 0 {
            return None;
        }
        let nth = if many == 1 { 0 } else { self.draw(many) };
        Some(locked(&self.ready).swap_remove(nth as usize))
    }

    fn skip_to_next_timer(&self) -> bool {
        let next = {
            let mut state = locked(&self.state);
            let next = state.timers.pop_first();
            if let Some(((at, _), _)) = &next {
                state.now = *at;
            }
            next
        };
        next.map(|(_, waker)| waker.wake()).is_some()
    }
}

struct Timer(Arc<Run>);

impl Clock for Timer {
    fn now(&self) -> DateTime<Utc> {
        let elapsed = TimeDelta::from_std(self.0.elapsed()).expect("a run lasts minutes");
        DateTime::from_timestamp(1_790_000_000, 0).expect("a time of our days") + elapsed
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        Sleep { run: self.0.clone(), until: self.0.elapsed() + wait, timer: None }.boxed()
    }
}

struct Sleep {
    run: Arc<Run>,
    until: Duration,
    timer: Option<(Duration, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let run = self.run.clone();
        let mut state = locked(&run.state);
        if state.now >= self.until {
            return Poll::Ready(());
        }
        state.next_number += 1;
        let timer = (self.until, state.next_number);
        if let Some(before) = self.timer.replace(timer) {
            state.timers.remove(&before);
        }
        state.timers.insert(timer, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            locked(&self.run.state).timers.remove(&timer);
        }
    }
}

struct Lot(Arc<Run>);

impl Rng for Lot {
    fn next(&self) -> u128 {
        let mut state = locked(&self.0.state);
        state.drawn += 2;
        u128::from(state.dice.next()) << 64 | u128::from(state.dice.next())
    }
}
