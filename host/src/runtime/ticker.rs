//! The clock that interrupts guests.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use wasmtime::EngineWeak;

/// How often a running guest is asked whether it may go on.
const TICK: Duration = Duration::from_millis(10);

/// Advances an engine's epoch while at least one guest runs, and sleeps otherwise.
///
/// A server that waits for requests therefore wakes up for nothing.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    running: usize,
    /// The thread sleeps until somebody runs, and has to be woken.
    parked: bool,
    closed: bool,
}

impl Ticker {
    /// Starts the thread that ticks.
    ///
    /// # Errors
    /// When the system refuses another thread.
    pub(crate) fn start(engine: EngineWeak) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
        });
        let theirs = shared.clone();
        thread::Builder::new()
            .name("poolwarden-epoch".into())
            .stack_size(64 << 10)
            .spawn(move || tick(&theirs, &engine))?;
        Ok(Self { shared })
    }

    /// Ticks until the guard is dropped.
    pub(crate) fn run(&self) -> TickGuard {
        let mut state = self.shared.state();
        state.running += 1;
        if state.parked {
            self.shared.changed.notify_one();
        }
        TickGuard {
            shared: self.shared.clone(),
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.changed.notify_one();
    }
}

/// A guest runs as long as this exists.
pub(crate) struct TickGuard {
    shared: Arc<Shared>,
}

impl Drop for TickGuard {
    fn drop(&mut self) {
        self.shared.state().running -= 1;
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tick(shared: &Shared, engine: &EngineWeak) {
    let mut state = shared.state();
    while !state.closed {
        if state.running == 0 {
            state.parked = true;
            state = shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.parked = false;
            continue;
        }
        let (after, timeout) = shared
            .changed
            .wait_timeout(state, TICK)
            .unwrap_or_else(PoisonError::into_inner);
        state = after;
        if timeout.timed_out() {
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
        }
    }
}
