//! Kills Baton at a chosen moment: right after a commit, or when a call has had its effect and before
//! its answer is heard. Whatever drives Baton is dropped then, with all that it held in memory.
//!
//! Commits are told by `tracing`: the line of `storage/tx.rs`, which one subscriber for the whole
//! process passes on to the story of the thread that it was said on. A story has its thread to itself.

use std::{
    cell::RefCell,
    sync::{Arc, Mutex, MutexGuard, Once},
    task::Poll,
    time::Duration,
};

use baton::simulator::faults::Faults;
use tokio::sync::watch;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::{
    Layer,
    filter::FilterFn,
    layer::{Context, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

thread_local! {
    static HERE: RefCell<Option<Kill>> = const { RefCell::new(None) };
}

/// When Baton dies: first after so many, then each time after so many more.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deaths {
    /// Commits from the beginning of the story.
    pub commits: Option<(usize, usize)>,
    /// Calls to the platforms that have had their effect.
    pub calls: Option<(usize, usize)>,
}

/// Decides when Baton dies. Cheap to clone.
#[derive(Clone)]
pub struct Kill {
    state: Arc<Mutex<State>>,
    calls: watch::Receiver<usize>,
}

#[derive(Default)]
struct State {
    plan: Deaths,
    commits: usize,
    dead: bool,
    deaths: usize,
}

impl Kill {
    pub fn new(faults: &Faults) -> Self {
        static LISTEN: Once = Once::new();
        LISTEN.call_once(|| {
            let only_commits =
                FilterFn::new(|line: &Metadata<'_>| line.target() == "baton::storage" && *line.level() == Level::TRACE);
            // Another one may be there when a test wants to see the log; then nothing dies.
            let _ = tracing_subscriber::registry().with(Commits.with_filter(only_commits)).try_init();
        });
        let kill = Self { state: Arc::default(), calls: faults.seen() };
        HERE.set(Some(kill.clone()));
        kill
    }

    /// From now on.
    pub fn plan(&self, deaths: Deaths) {
        let mut state = self.lock();
        let from = |plan: Option<(usize, usize)>, count: usize| plan.map(|(first, every)| (first + count, every));
        let (commits, calls) = (from(deaths.commits, state.commits), from(deaths.calls, *self.calls.borrow()));
        state.plan = Deaths { commits, calls };
    }

    pub fn deaths(&self) -> usize {
        self.lock().deaths
    }

    pub fn is_dead(&self) -> bool {
        let mut state = self.lock();
        state.dead |= state.plan.calls.is_some_and(|(first, _)| first <= *self.calls.borrow());
        state.dead
    }

    /// It starts again; from here on the next death counts.
    pub fn rise(&self) {
        let mut state = self.lock();
        if !std::mem::take(&mut state.dead) {
            return;
        }
        state.deaths += 1;
        let again = |plan: Option<(usize, usize)>, count: usize| {
            plan.map(|(first, every)| if first <= count { (count + every, every) } else { (first, every) })
        };
        state.plan.commits = again(state.plan.commits, state.commits);
        state.plan.calls = again(state.plan.calls, *self.calls.borrow());
    }

    /// What it had sent before it died arrives now, and not at some later time.
    pub async fn let_arrive(&self) {
        let mut arrived = None;
        while arrived.replace(*self.calls.borrow()) != Some(*self.calls.borrow()) {
            // Loopback is quick, but everybody has to have had a turn.
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    /// Drives Baton until it is done, or dies: None.
    pub async fn until_killed<F: Future>(&self, alive: F) -> Option<F::Output> {
        // On the heap: it is large, and a test has little stack.
        let mut alive = Box::pin(alive);
        std::future::poll_fn(|context| {
            if self.is_dead() {
                return Poll::Ready(None); // a call has had its effect, and the answer may be here
            }
            let polled = alive.as_mut().poll(context);
            if self.is_dead() { Poll::Ready(None) } else { polled.map(Some) }
        })
        .await
    }

    fn committed(&self) {
        let mut state = self.lock();
        state.commits += 1;
        state.dead |= state.plan.commits.is_some_and(|(first, _)| first == state.commits);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

struct Commits;

impl<S: Subscriber> Layer<S> for Commits {
    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        HERE.with_borrow(|here| {
            if let Some(kill) = here {
                kill.committed();
            }
        });
    }
}
