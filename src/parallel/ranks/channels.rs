//! Ranks as threads of one process.

use super::{Link, gone};
use crate::error::Result;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

/// One rank's ends of the channels to and from every rank.
struct Thread {
    rank: usize,
    to: Vec<Mutex<Sender<Vec<u8>>>>,
    from: Vec<Mutex<Receiver<Vec<u8>>>>,
}

/// The ends of all ranks.
pub(super) fn links(size: usize) -> Vec<impl Link> {
    let mut all: Vec<Thread> = (0..size).map(|rank| Thread { rank, to: Vec::new(), from: Vec::new() }).collect();
    for from in 0..size {
        for to in 0..size {
            let (sender, receiver) = channel();
            all[from].to.push(Mutex::new(sender));
            all[to].from.push(Mutex::new(receiver));
        }
    }
    all
}

impl Link for Thread {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.to.len()
    }

    fn send(&self, to: usize, bytes: &[u8]) -> Result<()> {
        let channel = self.to[to].lock().unwrap_or_else(PoisonError::into_inner);
        channel.send(bytes.to_vec()).map_err(|_| gone(to))
    }

    fn receive(&self, from: usize) -> Result<Vec<u8>> {
        let channel = self.from[from].lock().unwrap_or_else(PoisonError::into_inner);
        channel.recv().map_err(|_| gone(from))
    }

    // a thread cannot end the others: they find its channels closed
    fn abort(&self, _: u8) {}
}
