//! Which core a worker wakes up on.
//!
//! Linux tends to wake a thread on the core of the one that wakes it, to share its caches, and moves it away milliseconds
//! later, sometimes ten: too late for a short job whose caller works too. So a worker that sleeps is kept off the core of its
//! caller while it is woken, and may go where it likes as soon as it runs; one that is awake leaves it. Elsewhere nothing is done.

#[cfg(target_os = "linux")]
pub(super) use self::linux::{Place, core, leave};
#[cfg(not(target_os = "linux"))]
pub(super) use self::other::{Place, core, leave};

#[cfg(target_os = "linux")]
mod linux {
    use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};
    use std::sync::{Mutex, PoisonError};

    /// The core of the calling thread.
    pub fn core() -> usize {
        sched_getcpu()
    }

    /// Leaves a core, if the calling thread is on it and may use others: two threads that never sleep may share one for
    /// seconds while another idles.
    pub fn leave(core: usize) {
        if sched_getcpu() != core {
            return;
        }
        if let Ok(cores) = sched_getaffinity(None) {
            let mut others = cores;
            others.unset(core);
            if others.count() > 0 && sched_setaffinity(None, &others).is_ok() {
                let _ = sched_setaffinity(None, &cores);
            }
        }
    }

    /// Where one worker may run.
    #[derive(Debug, Default)]
    pub struct Place(Mutex<Option<Asleep>>);

    /// A worker that sleeps or is being woken, or one of a pool.
    #[derive(Debug)]
    struct Asleep {
        thread: Pid,
        /// All cores that it may use.
        cores: CpuSet,
        /// It was kept off one of them.
        moved: bool,
    }

    impl Place {
        fn with<R>(&self, work: impl FnOnce(&mut Option<Asleep>) -> R) -> R {
            work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
        }

        /// Of the worker itself, before it sleeps.
        pub fn sleeps(&self) {
            self.with(|place| {
                if place.is_none() {
                    *place = sched_getaffinity(None).ok().map(|cores| Asleep { thread: gettid(), cores, moved: false });
                }
            });
        }

        /// Of the caller, before it wakes the worker.
        pub fn call(&self) {
            self.with(|place| {
                let Some(worker) = place.as_mut().filter(|worker| !worker.moved) else { return };
                let mut cores = worker.cores;
                cores.unset(sched_getcpu());
                // Refused, or no core left: it wakes where it will.
                worker.moved = cores.count() > 0 && sched_setaffinity(Some(worker.thread), &cores).is_ok();
            });
        }

        /// Of anybody: the worker may use all its cores again, and may be kept off one at the next call.
        pub fn free(&self) {
            self.with(|place| {
                if let Some(worker) = place.as_mut().filter(|worker| worker.moved) {
                    // Cores that were taken away meanwhile are no reason to stop.
                    let _ = sched_setaffinity(Some(worker.thread), &worker.cores);
                    worker.moved = false;
                }
            });
        }

        /// Of the worker itself, once it runs.
        pub fn wakes(&self) {
            self.with(|place| {
                if let Some(worker) = place.take().filter(|worker| worker.moved) {
                    // Cores that were taken away meanwhile are no reason to stop.
                    let _ = sched_setaffinity(None, &worker.cores);
                }
            });
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_caller_keeps_a_worker_off_its_core_until_it_runs() {
            let place = Place::default();
            let all = sched_getaffinity(None).unwrap();
            place.call();
            assert_eq!(sched_getaffinity(None).unwrap(), all);
            place.sleeps();
            place.call();
            place.call();
            let kept = sched_getaffinity(None).unwrap();
            assert_eq!(kept.count(), (all.count() - 1).max(1));
            // Kept off already: what it may use is not forgotten.
            place.sleeps();
            place.wakes();
            assert_eq!(sched_getaffinity(None).unwrap(), all);
            // Whoever leaves its core may come back.
            leave(core());
            assert_eq!(sched_getaffinity(None).unwrap(), all);
            // A worker of a pool is called again and again.
            place.sleeps();
            for _ in 0..2 {
                place.call();
                assert_eq!(sched_getaffinity(None).unwrap().count(), (all.count() - 1).max(1));
                place.free();
                assert_eq!(sched_getaffinity(None).unwrap(), all);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    pub fn core() -> usize {
        0
    }

    pub fn leave(_: usize) {}

    #[derive(Debug, Default)]
    pub struct Place;

    impl Place {
        pub fn sleeps(&self) {}
        pub fn call(&self) {}
        pub fn free(&self) {}
        pub fn wakes(&self) {}
    }
}
