//! The thread pool and the ranks, made once by the program and handed down.

mod placement;
pub mod ranks;
mod team;

use self::placement::Place;
use self::ranks::Ranks;
pub use self::team::Job;
use self::team::Team;
use crate::error::{Error, Result};
use std::sync::{Arc, OnceLock};

/// A pool of worker threads; every parallel stage takes one by reference.
#[derive(Debug)]
pub struct Threads {
    pool: rayon::ThreadPool,
    /// One for each thread of the pool.
    places: Arc<[Place]>,
    count: usize,
    team: OnceLock<Team>,
    asked: usize,
    ranks: Option<Arc<Ranks>>,
}

impl Threads {
    /// A pool of `count` threads; 0 means one for each core that the process may use.
    ///
    /// # Errors
    /// When the operating system refuses to start the threads.
    pub fn new(count: usize) -> Result<Self> {
        let asked = count;
        let count = if count == 0 { std::thread::available_parallelism().map_or(1, |n| n.get()) } else { count };
        let places: Arc<[Place]> = (0..count).map(|_| Place::default()).collect();
        let own = places.clone();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|i| format!("worker-{i}"))
            .start_handler(move |i| own[i].sleeps())
            .build()
            .map_err(|e| Error::resource("parallel::pool", format!("--threads {count}"), e, "ask for fewer threads"))?;
        Ok(Threads { pool, places, count, team: OnceLock::new(), asked, ranks: None })
    }

    /// The pool of rank 0 of several ranks, which it may ask for help; for one rank alone, the pool as it is.
    pub fn with_ranks(self, ranks: &Arc<Ranks>) -> Self {
        let ranks = (ranks.size() > 1).then(|| ranks.clone());
        Threads { ranks, ..self }
    }

    /// The ranks, where there are several.
    pub fn ranks(&self) -> Option<&Arc<Ranks>> {
        self.ranks.as_ref()
    }

    /// How many threads were asked for; 0 for as many as there are cores.
    pub fn asked(&self) -> usize {
        self.asked
    }

    /// How many threads the pool holds.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Runs `work` inside the pool, so that rayon calls in it use these threads.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.pool.install(work)
    }

    /// Runs `work` on the calling thread and on all workers but one at the same time, each claiming parts of it until none
    /// is left. The caller takes part, so that a pool that sleeps need wake one thread less, and finds a free core for it.
    pub fn each(&self, work: impl Fn() + Sync) {
        self.pool.in_place_scope(|scope| {
            if self.count > 1 {
                self.places.iter().for_each(Place::call);
            }
            for _ in 1..self.count {
                scope.spawn(|_| {
                    if let Some(place) = rayon::current_thread_index().and_then(|i| self.places.get(i)) {
                        place.free();
                    }
                    work();
                });
            }
            work();
        });
        // those that were not needed
        self.places.iter().for_each(Place::free);
    }

    /// Runs a short job on the calling thread and on workers that look out for it, and returns when it is done. The
    /// workers are started at the first call; a job inside a job is done by its caller alone.
    pub fn share(&self, job: &Job) {
        if self.count <= 1 {
            return job();
        }
        self.team.get_or_init(|| Team::new(self.count - 1)).run(job);
    }

    /// The argument that faer's routines take for their parallelism.
    pub fn faer(&self) -> faer::Par {
        if self.count <= 1 { faer::Par::Seq } else { faer::Par::rayon(self.count) }
    }
}
