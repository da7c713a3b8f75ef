//! Unfinished matrices kept on disk, so that a long assembly goes on where it was stopped.
//!
//! An assembly is a fixed list of tasks, done in order by however many threads. From time to time all threads finish
//! what they are at and the matrix is written with the number of tasks done: the file appears whole or not at all
//! ([`crate::atomic`]). A later run with the same key reads it and does the rest. Every task computes the same numbers
//! whenever and by whomever it is run, so the matrix has the same bits as without an interruption.
//!
//! The file: one line `breakeven-assembly 2 VERSION KEY N BYTES DONE`, the columns as little-endian IEEE numbers of BYTES
//! bytes, and the BLAKE3 hash (32 bytes) of all before it.

use crate::atomic;
use crate::error::{Error, Result};
use crate::tensor::Real;
use faer::{MatMut, MatRef};
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Saving takes at most one part in so many of the time.
const SHARE: u32 = 20;
/// Bytes read or written together.
const BLOCK: usize = 1 << 20;
/// The longest first line.
const HEAD: u64 = 512;

/// Where an unfinished matrix is kept.
pub struct Checkpoint<'a> {
    /// The file.
    pub path: PathBuf,
    /// What the matrix is made from, as one word; a file with another key is left aside.
    pub key: String,
    /// Least time between two saves.
    pub every: Duration,
    /// Told what a reader should know: that work was found, that a file does not fit, that none can be written.
    pub remark: Box<dyn Fn(&str) + Sync + 'a>,
}

impl Checkpoint<'_> {
    /// Removes the file, once its matrix is no longer needed.
    pub fn remove(&self) {
        // that it is gone already, or cannot be removed, costs nothing but space
        let _ = std::fs::remove_file(&self.path);
    }

    fn head(&self, n: usize, bytes: usize) -> String {
        format!("breakeven-assembly 2 {} {} {n} {bytes} ", env!("CARGO_PKG_VERSION"), self.key)
    }

    fn write<T: Real>(&self, out: MatRef<'_, T>, done: u64) -> Result<()> {
        atomic::write_with(&self.path, |file| {
            let mut hash = blake3::Hasher::new();
            let mut put = |bytes: &[u8]| {
                hash.update(bytes);
                file.write_all(bytes)
            };
            put(format!("{}{done}\n", self.head(out.nrows(), size_of::<T>())).as_bytes())?;
            let mut block = Vec::with_capacity(BLOCK + 8);
            for j in 0..out.ncols() {
                for &x in out.col(j).iter() {
                    x.put(&mut block);
                    if block.len() >= BLOCK {
                        put(&block)?;
                        block.clear();
                    }
                }
            }
            put(&block)?;
            file.write_all(hash.finalize().as_bytes())
        })
    }

    /// Reads the file into `out` and says how many tasks are done.
    fn read<T: Real>(&self, mut out: MatMut<'_, T>) -> std::result::Result<u64, String> {
        let io = |e: std::io::Error| e.to_string();
        let file = std::fs::File::open(&self.path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let mut file = BufReader::with_capacity(BLOCK, file);
        let mut line = Vec::new();
        (&mut file).take(HEAD).read_until(b'\n', &mut line).map_err(io)?;
        let expected = self.head(out.nrows(), size_of::<T>());
        let text = std::str::from_utf8(&line).unwrap_or_default();
        let Some(rest) = text.strip_prefix(&expected) else {
            return Err(match text.starts_with("breakeven-assembly ") {
                true => "it belongs to another network, snapshot, batch, block, precision or version".into(),
                false => "it is not an unfinished matrix".into(),
            });
        };
        let done = rest.trim_end().parse().map_err(|_| "its first line is damaged".to_string())?;
        let body = out.nrows() as u64 * out.ncols() as u64 * size_of::<T>() as u64;
        if length != line.len() as u64 + body + 32 {
            return Err("it is cut off".into());
        }
        let mut hash = blake3::Hasher::new();
        hash.update(&line);
        let mut bytes = vec![0u8; out.nrows() * size_of::<T>()];
        for j in 0..out.ncols() {
            file.read_exact(&mut bytes).map_err(io)?;
            hash.update(&bytes);
            for (x, bytes) in out.as_mut().col_mut(j).iter_mut().zip(bytes.chunks_exact(size_of::<T>())) {
                *x = T::take(bytes);
            }
        }
        let mut sum = [0u8; 32];
        file.read_exact(&mut sum).map_err(io)?;
        if hash.finalize() != blake3::Hash::from_bytes(sum) {
            return Err("its contents are damaged".into());
        }
        Ok(done)
    }
}

/// Says whether the threads should finish what they are at, so that the matrix can be kept.
pub(super) type Pause<'a> = dyn Fn() -> bool + Sync + 'a;

/// Does tasks of a stage from the given number on until there are no more or it should pause; how many are done then.
type Tasks<'a, T> = dyn FnMut(MatMut<'_, T>, u64, &Pause<'_>) -> Result<u64> + 'a;

/// How far an assembly is.
pub(super) struct Ledger<'a> {
    kept: Option<&'a Checkpoint<'a>>,
    /// Tasks done.
    done: u64,
    /// Tasks of the stages begun.
    begun: u64,
    /// When to save.
    next: Instant,
}

impl<'a> Ledger<'a> {
    /// Starts with what a fitting file holds, which is read into `out`.
    pub fn open<T: Real>(kept: Option<&'a Checkpoint<'a>>, out: MatMut<'_, T>) -> Self {
        let mut ledger = Ledger { kept, done: 0, begun: 0, next: Instant::now() };
        if let Some(kept) = kept {
            kept.path.parent().into_iter().for_each(atomic::sweep);
            if kept.path.exists() {
                match kept.read(out) {
                    Ok(done) => {
                        ledger.done = done;
                        (kept.remark)(&format!("going on after {done} tasks kept in {}", kept.path.display()));
                    }
                    Err(why) => (kept.remark)(&format!("{} is not used: {why}", kept.path.display())),
                }
            }
            ledger.next = Instant::now() + kept.every;
        }
        ledger
    }

    /// Does a stage of `tasks` tasks: `some(out, from, pause)` does them from number `from` on, at least one, stops when
    /// `pause` says so, and returns how many of the stage are done then.
    pub fn stage<T: Real>(&mut self, mut out: MatMut<'_, T>, tasks: u64, some: &mut Tasks<'_, T>) -> Result<()> {
        let base = self.begun;
        self.begun += tasks;
        let mut at = self.done.saturating_sub(base).min(tasks);
        while at < tasks {
            let (keeps, next) = (self.kept.is_some(), self.next);
            let pause = move || keeps && Instant::now() >= next;
            at = some(out.as_mut(), at, &pause)?;
            self.done = base + at;
            if pause() {
                self.save(out.as_ref());
            }
        }
        Ok(())
    }

    fn save<T: Real>(&mut self, out: MatRef<'_, T>) {
        let Some(kept) = self.kept else { return };
        let start = Instant::now();
        if let Err(e) = kept.write(out, self.done) {
            (kept.remark)(&format!("{}; the run goes on without keeping its work", Error::to_string(&e)));
            self.kept = None;
        }
        self.next = Instant::now() + kept.every.max(start.elapsed() * SHARE);
    }
}
