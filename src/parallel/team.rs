//! Workers that wait for short jobs.
//!
//! A job of a millisecond does not bear the tens of microseconds in which the operating system wakes a sleeping thread.
//! The workers here look out for the next job for a short while before they sleep, so that a loop of products finds
//! them awake; and the caller never waits for a worker that has not begun: it takes part, and takes the job back when
//! it finds nothing left to do.

use super::placement::{self, Place};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a worker looks out for a job before it sleeps.
const AWAKE: Duration = Duration::from_micros(150);

/// Work that several threads share, each claiming parts of it until none is left.
pub type Job = Arc<dyn Fn() + Send + Sync>;

/// Threads that wait for jobs.
#[derive(Debug)]
pub(super) struct Team {
    shared: Arc<Shared>,
    workers: Vec<(JoinHandle<()>, Arc<Place>)>,
    /// Held while a job runs.
    busy: Mutex<()>,
}

#[derive(Default)]
struct Shared {
    /// Counts the jobs.
    jobs: AtomicU64,
    job: Mutex<Option<Job>>,
    /// Where the caller of the job began.
    core: AtomicUsize,
    /// Workers that have taken the job and not finished.
    active: AtomicUsize,
    stop: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("jobs", &self.jobs).field("active", &self.active).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Team {
    /// `count` workers; as many as the operating system grants.
    pub fn new(count: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let worker = |n: usize| {
            let (shared, place) = (shared.clone(), Arc::new(Place::default()));
            let own = place.clone();
            let thread = std::thread::Builder::new().name(format!("product-{n}"));
            thread.spawn(move || shared.work(&own)).ok().map(|thread| (thread, place))
        };
        let workers = (1..=count).filter_map(worker).collect();
        Team { shared, workers, busy: Mutex::new(()) }
    }

    /// Runs the job on the calling thread and all workers that come in time; returns when all have finished. While
    /// another job runs the caller works alone.
    pub fn run(&self, job: &Job) {
        let Ok(busy) = self.busy.try_lock() else { return job() };
        let shared = &self.shared;
        *lock(&shared.job) = Some(job.clone());
        shared.core.store(placement::core(), Ordering::Relaxed);
        shared.jobs.fetch_add(1, Ordering::Release);
        for (worker, place) in &self.workers {
            place.call();
            worker.thread().unpark();
        }
        let own = catch_unwind(AssertUnwindSafe(|| job()));
        // who has not begun need not begin
        *lock(&shared.job) = None;
        let mut turns = 0u32;
        while shared.active.load(Ordering::Acquire) > 0 {
            turns += 1;
            if turns > 20_000 { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
        let other = lock(&shared.panic).take();
        drop(busy);
        if let Some(panic) = own.err().or(other) {
            resume_unwind(panic);
        }
    }
}

impl Shared {
    fn work(&self, place: &Place) {
        let mut seen = 0;
        loop {
            let start = Instant::now();
            let mut turns = 0u32;
            loop {
                if self.stop.load(Ordering::Acquire) {
                    return;
                }
                let jobs = self.jobs.load(Ordering::Acquire);
                if jobs != seen {
                    seen = jobs;
                    break;
                }
                turns += 1;
                if turns.is_multiple_of(64) && start.elapsed() > AWAKE {
                    place.sleeps();
                    // wakes at once if a job came since
                    std::thread::park();
                    place.wakes();
                } else {
                    std::hint::spin_loop();
                }
            }
            let job = {
                let job = lock(&self.job);
                if job.is_some() {
                    self.active.fetch_add(1, Ordering::Relaxed);
                }
                job.clone()
            };
            if let Some(job) = job {
                placement::leave(self.core.load(Ordering::Relaxed));
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job())) {
                    lock(&self.panic).get_or_insert(panic);
                }
                drop(job);
                self.active.fetch_sub(1, Ordering::Release);
            }
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        for (worker, _) in self.workers.drain(..) {
            worker.thread().unpark();
            // a worker's panic was handed to the caller of its job
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_every_job_is_done_once() {
        let team = Team::new(3);
        let (next, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let job: Job = {
            let (next, done) = (next.clone(), done.clone());
            Arc::new(move || {
                while next.fetch_add(1, Ordering::Relaxed) < 50 {
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        for round in 0..200 {
            next.store(0, Ordering::Relaxed);
            team.run(&job);
            assert_eq!(done.swap(0, Ordering::Relaxed), 50, "round {round}");
            if round % 50 == 0 {
                // long enough for the workers to fall asleep
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    #[test]
    fn a_job_inside_a_job_is_done_by_its_caller() {
        let team = Arc::new(Team::new(1));
        let count = Arc::new(AtomicUsize::new(0));
        let inner: Job = {
            let count = count.clone();
            Arc::new(move || {
                let _ = count.fetch_add(1, Ordering::Relaxed);
            })
        };
        let outer: Job = {
            let team = Arc::downgrade(&team);
            Arc::new(move || {
                if let Some(team) = team.upgrade() {
                    team.run(&inner);
                }
            })
        };
        team.run(&outer);
        assert!(count.load(Ordering::Relaxed) >= 1);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_lives_on() {
        let team = Team::new(2);
        let job: Job = Arc::new(|| panic!("part failed"));
        assert!(catch_unwind(AssertUnwindSafe(|| team.run(&job))).is_err());
        let fine: Job = Arc::new(|| ());
        team.run(&fine);
    }
}
