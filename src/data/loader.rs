//! Makes batches on worker threads ahead of the device, and hands them over in order.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use super::error::Result;

/// Iterates over the batches of a range of steps; `make` runs on the workers, at most `ahead` steps before the
/// consumer. As `make` is a pure function of the step, the batches do not depend on the number of workers.
///
/// It ends after the last step, or after the first error. A panic of `make` goes on in the consumer.
#[derive(Debug)]
pub struct Loader<T> {
    shared: Arc<Shared<T>>,
    workers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    /// A batch was made, or taken, or the loader was dropped.
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    next_to_make: u64,
    next_to_give: u64,
    end: u64,
    ready: BTreeMap<u64, thread::Result<Result<T>>>,
}

impl<T: Send + 'static> Loader<T> {
    /// Starts the workers (at least one).
    pub fn new(
        steps: Range<u64>,
        workers: usize,
        ahead: usize,
        make: impl Fn(u64) -> Result<T> + Send + Sync + 'static,
    ) -> Self {
        let state = State {
            next_to_make: steps.start,
            next_to_give: steps.start,
            end: steps.end,
            ready: BTreeMap::new(),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let make = Arc::new(make);
        let start = |number: usize| {
            let (shared, make) = (shared.clone(), make.clone());
            thread::Builder::new()
                .name(format!("loader-{number}"))
                .spawn(move || shared.work(ahead.max(1) as u64, &*make))
                .expect("the system starts a thread")
        };
        let workers = (0..workers.max(1)).map(start).collect();
        Self { shared, workers }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect("no thread panics while it holds the state")
    }

    fn work(&self, ahead: u64, make: &(impl Fn(u64) -> Result<T> + ?Sized)) {
        loop {
            let mut state = self.lock();
            while state.next_to_make < state.end && state.next_to_make >= state.next_to_give + ahead
            {
                state =
                    self.changed.wait(state).expect("no thread panics while it holds the state");
            }
            if state.next_to_make >= state.end {
                return;
            }
            let step = state.next_to_make;
            state.next_to_make += 1;
            drop(state);
            // The closure is not used again after a panic: the consumer panics too.
            let made = catch_unwind(AssertUnwindSafe(|| make(step)));
            self.lock().ready.insert(step, made);
            self.changed.notify_all();
        }
    }

    /// Lets the workers go after the batch each is at.
    fn stop(&self) {
        let mut state = self.lock();
        state.end = state.next_to_give;
        state.ready.clear();
        drop(state);
        self.changed.notify_all();
    }
}

impl<T> Iterator for Loader<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut state = self.shared.lock();
        let step = state.next_to_give;
        if step >= state.end {
            return None;
        }
        let made = loop {
            if let Some(made) = state.ready.remove(&step) {
                break made;
            }
            state =
                self.shared.changed.wait(state).expect("no thread panics while it holds the state");
        };
        state.next_to_give += 1;
        drop(state);
        self.shared.changed.notify_all();
        match made {
            Ok(Ok(batch)) => Some(Ok(batch)),
            Ok(Err(error)) => {
                self.shared.stop();
                Some(Err(error))
            }
            Err(panic) => {
                self.shared.stop();
                resume_unwind(panic)
            }
        }
    }
}

impl<T> Drop for Loader<T> {
    fn drop(&mut self) {
        self.shared.stop();
        for worker in self.workers.drain(..) {
            // A worker catches its panics, so joining cannot fail; while unwinding nothing more could be done.
            let _ = worker.join();
        }
    }
}
