//! The tasks of several stages, done by all threads in one sweep.
//!
//! A stage is a list of tasks that share what is evaluated once for all of them. Were the stages done one after the
//! other, each would end with a thread that waits for the last task of another, and begin with one that evaluates alone.
//! Here the tasks of all stages are one list, claimed in its order, the stages with the largest tasks first; what a stage
//! shares is evaluated by one thread while the others are at the stage before, and dropped with its last task, so that
//! few stages are in memory at any time. The list does not depend on the number of threads, and each task computes the
//! same numbers whoever runs it.

use super::checkpoint::{Ledger, Pause};
use super::shared::{Shared, Writer};
use crate::error::{Error, Result};
use crate::parallel::Threads;
use crate::tensor::Real;
use faer::MatMut;
use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Tasks and what they share.
pub(super) trait Stage<T>: Sync {
    /// How many tasks there are.
    fn tasks(&self) -> usize;
    /// Operations planned for a task.
    fn flops(&self, task: usize) -> u64;
    /// Evaluates what the tasks share, unless that is done; who comes meanwhile waits. Without work for other threads of
    /// the pool: a thread that waits for them might take up a task of this stage.
    fn prepare(&self);
    /// Does a task.
    fn run(&self, to: &Writer<'_, '_, T>, task: usize) -> Result<()>;
    /// Drops what the tasks share, once the last of them is done.
    fn finish(&self);
}

/// What is made when it is first asked for, and dropped when nobody needs it any more.
pub(super) struct Ready<V>(Mutex<Option<Arc<V>>>);

impl<V> Ready<V> {
    pub fn new() -> Self {
        Ready(Mutex::new(None))
    }

    pub fn get(&self, make: impl FnOnce() -> V) -> Arc<V> {
        lock(&self.0).get_or_insert_with(|| Arc::new(make())).clone()
    }

    pub fn finish(&self) {
        lock(&self.0).take();
    }
}

/// Buffers that no thread uses: new memory is slow, and two threads that ask for it wait for each other.
pub(super) struct Pool<B>(Mutex<Vec<B>>);

impl<B: Default> Pool<B> {
    pub fn new() -> Self {
        Pool(Mutex::default())
    }

    /// Works with buffers of the pool, or with new ones if all are in use.
    pub fn with<R>(&self, work: impl FnOnce(&mut B) -> R) -> R {
        let kept = lock(&self.0).pop();
        let mut buffers = kept.unwrap_or_default();
        let result = work(&mut buffers);
        lock(&self.0).push(buffers);
        result
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone, Copy)]
enum Step {
    Prepare(usize),
    Task(usize, usize),
}

/// The stages in the order in which they are done.
struct Sweep<'s, T> {
    stages: Vec<Box<dyn Stage<T> + 's>>,
    /// Stage and number of each task.
    tasks: Vec<(usize, usize)>,
    /// Tasks of each stage that are not done.
    left: Vec<AtomicUsize>,
}

/// Does the tasks of all stages, which write into `h`; `done` is told the operations planned for what is finished.
///
/// # Errors
/// The first error of a task; when the columns of `h` are not contiguous.
pub(super) fn sweep<T: Real>(
    mut stages: Vec<Box<dyn Stage<T> + '_>>,
    h: MatMut<'_, T>,
    threads: &Threads,
    ledger: &mut Ledger<'_>,
    done: &(dyn Fn(u64) + Sync),
) -> Result<()> {
    stages.retain(|stage| stage.tasks() > 0);
    stages.sort_by_key(|stage| Reverse(stage.flops(0)));
    let tasks: Vec<(usize, usize)> =
        stages.iter().enumerate().flat_map(|(s, stage)| (0..stage.tasks()).map(move |task| (s, task))).collect();
    let left = stages.iter().map(|stage| AtomicUsize::new(stage.tasks())).collect();
    let sweep = Sweep { stages, tasks, left };
    let mut told = 0;
    ledger.stage(h, sweep.tasks.len() as u64, &mut |h, from, pause| {
        let from = (from as usize).min(sweep.tasks.len());
        // what an earlier run did
        for &(s, task) in sweep.tasks.get(told..from).unwrap_or_default() {
            done(sweep.stages[s].flops(task));
            sweep.left[s].fetch_sub(1, Ordering::Relaxed);
        }
        told = sweep.tasks.len();
        let target = Shared::new(h).ok_or_else(|| {
            Error::usage(
                "curvature::layout",
                "the output",
                "its columns are not contiguous",
                "give a column-major matrix",
            )
        })?;
        sweep.some(from, &target, threads, pause, done).map(|tasks| tasks as u64)
    })
}

impl<T: Real> Sweep<'_, T> {
    /// What is to be done from a task on: each stage is prepared before the tasks of the stage before it.
    fn steps(&self, from: usize) -> Vec<Step> {
        let mut steps = Vec::with_capacity(self.tasks.len() - from + self.stages.len());
        let mut prepared = self.tasks.get(from).map_or(0, |first| first.0);
        for &(s, task) in &self.tasks[from..] {
            while prepared < self.stages.len().min(s + 2) {
                steps.push(Step::Prepare(prepared));
                prepared += 1;
            }
            steps.push(Step::Task(s, task));
        }
        steps
    }

    /// Does tasks from number `from` on until there are no more or `pause` says so; how many are done then.
    fn some(
        &self,
        from: usize,
        target: &Shared<'_, T>,
        threads: &Threads,
        pause: &Pause<'_>,
        done: &(dyn Fn(u64) + Sync),
    ) -> Result<usize> {
        let steps = self.steps(from);
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        let work = || {
            let writer = target.writer();
            while let Some(&step) = steps.get(next.fetch_add(1, Ordering::Relaxed)) {
                let (s, task) = match step {
                    Step::Prepare(s) => {
                        self.stages[s].prepare();
                        continue;
                    }
                    Step::Task(s, task) => (s, task),
                };
                match self.stages[s].run(&writer, task) {
                    Ok(()) => done(self.stages[s].flops(task)),
                    Err(e) => {
                        lock(&failure).get_or_insert(e);
                        failed.store(true, Ordering::Relaxed);
                    }
                }
                if self.left[s].fetch_sub(1, Ordering::AcqRel) == 1 {
                    self.stages[s].finish();
                }
                if failed.load(Ordering::Relaxed) || pause() {
                    break;
                }
            }
        };
        threads.each(work);
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(e) => Err(e),
            None => {
                let claimed = &steps[..next.into_inner().min(steps.len())];
                Ok(from + claimed.iter().filter(|step| matches!(step, Step::Task(..))).count())
            }
        }
    }
}

#[cfg(test)]
#[allow(unsafe_code)]
mod tests {
    use super::*;
    use faer::Mat;

    /// Writes the number of the task into a column of its own.
    struct Columns<'a> {
        first: usize,
        count: usize,
        ready: &'a Ready<Vec<f64>>,
        made: &'a AtomicUsize,
        fails: bool,
    }

    impl Stage<f64> for Columns<'_> {
        fn tasks(&self) -> usize {
            self.count
        }

        fn flops(&self, _: usize) -> u64 {
            self.count as u64
        }

        fn prepare(&self) {
            let _ = self.ready.get(|| {
                self.made.fetch_add(1, Ordering::Relaxed);
                vec![1.0; 3]
            });
        }

        fn run(&self, to: &Writer<'_, '_, f64>, task: usize) -> Result<()> {
            self.prepare();
            if self.fails && task == 3 {
                return Err(Error::usage("curvature::layout", "task", "fails", ""));
            }
            let one = self.ready.get(Vec::new);
            let values: Vec<f64> = one.iter().map(|v| v * (self.first + task) as f64).collect();
            // SAFETY: each task has a column of its own.
            unsafe { to.write(self.first + task, 0, &values) }
            Ok(())
        }

        fn finish(&self) {
            self.ready.finish();
        }
    }

    /// 40 columns in stages of several sizes, and what they share.
    fn swept(threads: usize, fails: bool) -> (Result<()>, Mat<f64>, usize) {
        let threads = Threads::new(threads).unwrap();
        let shared: Vec<(Ready<Vec<f64>>, AtomicUsize)> = (0..5).map(|_| (Ready::new(), AtomicUsize::new(0))).collect();
        let mut first = 0;
        let stages = [2, 7, 0, 1, 30].into_iter().zip(&shared).map(|(count, (ready, made))| {
            first += count;
            Box::new(Columns { first: first - count, count, ready, made, fails }) as Box<dyn Stage<f64>>
        });
        let mut h = Mat::<f64>::zeros(3, 40);
        let told = AtomicUsize::new(0);
        let mut ledger = Ledger::open(None, h.as_mut());
        let done = |flops| {
            told.fetch_add(flops as usize, Ordering::Relaxed);
        };
        let result = sweep(stages.collect(), h.as_mut(), &threads, &mut ledger, &done);
        if !fails {
            assert!(shared.iter().all(|(ready, _)| lock(&ready.0).is_none()), "dropped");
            let made: Vec<usize> = shared.iter().map(|(_, made)| made.load(Ordering::Relaxed)).collect();
            assert_eq!(made, [1, 1, 0, 1, 1]);
        }
        (result, h, told.into_inner())
    }

    #[test]
    fn every_task_of_every_stage_is_done_once() {
        for threads in [1, 2, 5] {
            let (result, h, told) = swept(threads, false);
            assert!(result.is_ok());
            assert!((0..40).all(|j| (0..3).all(|i| h[(i, j)] == j as f64)));
            assert_eq!(told, 2 * 2 + 7 * 7 + 1 + 30 * 30);
        }
    }

    #[test]
    fn what_fails_is_said() {
        let error = swept(2, true).0.unwrap_err();
        assert!(error.to_string().contains("fails"), "{error}");
    }
}
