//! Ranks as processes that an MPI launcher started.

use super::Link;
use crate::error::{Error, Result};
use mpi::Threading;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, Destination, Equivalence, Source};
use std::time::{Duration, Instant};

/// What launchers tell the processes that they start: Open MPI, PMIx (also Slurm's), PMI (Slurm's and MPICH).
const LAUNCHERS: [&str; 4] = ["OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE"];
/// A message of so many bytes is followed by more of it: counts of MPI have 31 bits.
const PIECE: usize = 64 << 20;
/// How long to look out for a message before sleeping, and how long to sleep at least and at most.
const AWAKE: Duration = Duration::from_micros(300);
const SLEEP: (Duration, Duration) = (Duration::from_micros(20), Duration::from_micros(500));
const TAG: i32 = 1;

/// Whether a launcher started this process.
pub(super) fn launched() -> bool {
    LAUNCHERS.iter().any(|name| std::env::var_os(name).is_some())
}

/// All processes.
pub(super) struct World {
    // ends MPI when it goes
    _universe: Universe,
    rank: usize,
    size: usize,
}

impl World {
    pub fn new() -> Result<Self> {
        let fail = |what: &str| {
            Error::resource("ranks::start", "MPI", what, "use an MPI library with support for threads, or one process")
        };
        // threads take turns: the state of the ranks is behind a lock
        let started = mpi::initialize_with_threading(Threading::Serialized);
        let (universe, threading) = started.ok_or_else(|| fail("was started twice"))?;
        let world = universe.world();
        let (rank, size) = (world.rank() as usize, world.size() as usize);
        if threading < Threading::Serialized {
            return Err(fail("cannot be called from several threads in turn"));
        }
        Ok(World { _universe: universe, rank, size })
    }
}

/// Waits for what `look` finds, without keeping a core busy for long.
fn wait<R>(mut look: impl FnMut() -> Option<R>) -> R {
    let start = Instant::now();
    let mut sleep = SLEEP.0;
    loop {
        if let Some(found) = look() {
            return found;
        }
        if start.elapsed() < AWAKE {
            std::thread::yield_now();
        } else {
            std::thread::sleep(sleep);
            sleep = (2 * sleep).min(SLEEP.1);
        }
    }
}

// a failed call ends all ranks by the library's default, so none of these fails
impl Link for World {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn send(&self, to: usize, bytes: &[u8]) -> Result<()> {
        let world = SimpleCommunicator::world();
        let process = world.process_at_rank(to as i32);
        for piece in bytes.chunks(PIECE) {
            process.send_with_tag(piece, TAG);
        }
        if bytes.len().is_multiple_of(PIECE) {
            process.send_with_tag(&bytes[..0], TAG);
        }
        Ok(())
    }

    fn receive(&self, from: usize) -> Result<Vec<u8>> {
        let world = SimpleCommunicator::world();
        let process = world.process_at_rank(from as i32);
        let mut bytes = Vec::new();
        loop {
            let status = wait(|| process.immediate_probe_with_tag(TAG));
            let count = usize::try_from(status.count(u8::equivalent_datatype())).unwrap_or(0);
            let start = bytes.len();
            bytes.resize(start + count, 0);
            process.receive_into_with_tag(&mut bytes[start..], TAG);
            if count < PIECE {
                return Ok(bytes);
            }
        }
    }

    fn abort(&self, code: u8) {
        SimpleCommunicator::world().abort(i32::from(code));
    }
}
