//! Several processes of one program that share its work: MPI ranks, or one process alone.
//!
//! Rank 0 runs the program; the others wait for what it asks, each answers for its own share of the batch, and the
//! answers are joined on their way back. So only rank 0 decides, prints and writes, and the ranks need not agree on
//! anything else. Questions and answers travel along a binomial tree; a rank joins its own answer with those below it in
//! rising order, so the bits of a sum depend on the number of ranks alone. A failure travels up in place of an answer.
//!
//! Every question is answered before the next is sent, and whoever asks next takes in answers that another thread has
//! not fetched yet: no thread ever waits for another one.

mod channels;
#[cfg(feature = "mpi")]
mod message_passing;
pub mod pack;

use crate::error::{Error, Result};
use pack::{Reader, Writer};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How bytes travel from rank to rank, in the order in which they were sent.
trait Link: Send + Sync {
    fn rank(&self) -> usize;
    fn size(&self) -> usize;
    fn send(&self, to: usize, bytes: &[u8]) -> Result<()>;
    fn receive(&self, from: usize) -> Result<Vec<u8>>;
    /// Ends all ranks.
    fn abort(&self, code: u8);
}

/// How the numbers of several ranks become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// Their sum.
    Sum,
    /// The largest of them.
    Max,
}

/// A question that was sent; its answer is fetched with [`Ranks::answer`].
#[derive(Debug)]
#[must_use = "an answer that is not fetched is kept"]
pub struct Question {
    number: u64,
    join: Join,
}

/// What rank 0 asks another rank.
#[derive(Debug)]
pub struct Asked {
    /// The words of the question.
    pub body: Vec<u8>,
    /// How many numbers answer it.
    pub len: usize,
    join: Join,
}

/// The answers of the ranks right below this one.
type Answers = Result<Vec<Vec<f64>>>;

#[derive(Default)]
struct State {
    asked: u64,
    /// The question that the others work on, and the length of its answer.
    open: Option<(u64, usize)>,
    /// Answers that nobody has fetched.
    kept: HashMap<u64, Answers>,
    stopped: bool,
}

/// The processes of the program, as one of them sees them.
pub struct Ranks {
    link: Option<Box<dyn Link>>,
    state: Mutex<State>,
}

impl std::fmt::Debug for Ranks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rank {} of {}", self.rank(), self.size())
    }
}

impl Ranks {
    /// One process.
    pub fn alone() -> Self {
        Ranks { link: None, state: Mutex::default() }
    }

    fn over(link: impl Link + 'static) -> Self {
        Ranks { link: Some(Box::new(link)), state: Mutex::default() }
    }

    /// The ranks that a launcher of MPI programs started; one process where none did, or in a build without `mpi`.
    ///
    /// # Errors
    /// When the MPI library cannot be called from several threads in turn.
    pub fn start() -> Result<Self> {
        #[cfg(feature = "mpi")]
        if message_passing::launched() {
            return message_passing::World::new().map(Ranks::over);
        }
        Ok(Ranks::alone())
    }

    /// Ranks that are threads of this process, for tests: one for each thread.
    pub fn in_process(size: usize) -> Vec<Ranks> {
        channels::links(size).into_iter().map(Ranks::over).collect()
    }

    /// Number of this rank, from 0.
    pub fn rank(&self) -> usize {
        self.link.as_ref().map_or(0, |link| link.rank())
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.link.as_ref().map_or(1, |link| link.size())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rank 0 asks all others; each answers with `len` numbers. `apart[r]` is sent to rank r alone, and comes with
    /// [`Ranks::own`]; rank 0 has no part in it.
    ///
    /// # Errors
    /// When a rank is gone.
    pub fn ask(&self, body: &[u8], join: Join, len: usize, apart: &[Vec<u8>]) -> Result<Question> {
        let mut state = self.state();
        self.take_in(&mut state);
        let mut words = Writer::new();
        words.byte(1).byte(u8::from(join == Join::Max)).number(len).bytes(body);
        let words = words.done();
        if let Some(link) = &self.link {
            below(0, link.size()).try_for_each(|to| link.send(to, &words))?;
            (1..link.size()).zip(apart.iter().skip(1)).try_for_each(|(to, bytes)| link.send(to, bytes))?;
        }
        state.asked += 1;
        state.open = Some((state.asked, len));
        Ok(Question { number: state.asked, join })
    }

    /// Joins the answers of the other ranks into those of rank 0.
    ///
    /// # Errors
    /// What a rank met, or that one is gone.
    pub fn answer(&self, question: Question, mine: &mut [f64]) -> Result<()> {
        let mut state = self.state();
        if state.open.is_some_and(|(number, _)| number == question.number) {
            self.take_in(&mut state);
        }
        for theirs in state.kept.remove(&question.number).unwrap_or(Ok(Vec::new()))? {
            question.join.into(mine, &theirs);
        }
        Ok(())
    }

    /// Receives what the others answer to the open question.
    fn take_in(&self, state: &mut State) {
        if let (Some((number, len)), Some(link)) = (state.open.take(), &self.link) {
            let answers = answers(link.as_ref(), len);
            state.kept.insert(number, answers);
        }
    }

    /// Rank 0 sends the others home; for any other rank, and for one alone, nothing.
    pub fn stop(&self) {
        let mut state = self.state();
        if let (Some(link), 0, false) = (&self.link, self.rank(), state.stopped) {
            self.take_in(&mut state);
            // one that is gone already need not be told
            let _ = below(0, link.size()).try_for_each(|to| link.send(to, &[0]));
            state.stopped = true;
        }
    }

    /// Ends all ranks at once, from any of them.
    pub fn abort(&self, code: u8) {
        if let Some(link) = &self.link {
            link.abort(code);
        }
    }

    /// The next question for a rank other than 0; `None` when the program ends.
    ///
    /// # Errors
    /// When a rank is gone, or the question makes no sense.
    pub fn next(&self) -> Result<Option<Asked>> {
        let Some(link) = self.link.as_ref().filter(|link| link.rank() > 0) else { return Ok(None) };
        let words = link.receive(above(link.rank()))?;
        below(link.rank(), link.size()).try_for_each(|to| link.send(to, &words))?;
        let mut words = Reader::new(&words);
        if words.byte()? == 0 {
            return Ok(None);
        }
        let join = if words.byte()? == 1 { Join::Max } else { Join::Sum };
        Ok(Some(Asked { join, len: words.number()?, body: words.bytes()?.to_vec() }))
    }

    /// What rank 0 sent to this rank alone with the question.
    ///
    /// # Errors
    /// When rank 0 is gone.
    pub fn own(&self) -> Result<Vec<u8>> {
        self.link.as_ref().map_or(Ok(Vec::new()), |link| link.receive(0))
    }

    /// Answers a question, or says why not; the answers of the ranks below come with it.
    ///
    /// # Errors
    /// When a rank is gone.
    pub fn reply(&self, asked: &Asked, mine: Result<Vec<f64>>) -> Result<()> {
        let Some(link) = &self.link else { return Ok(()) };
        let theirs = answers(link.as_ref(), asked.len);
        let joined = mine.and_then(|mut mine| {
            mine.resize(asked.len, 0.0);
            theirs?.iter().for_each(|theirs| asked.join.into(&mut mine, theirs));
            Ok(mine)
        });
        let mut words = Writer::new();
        match &joined {
            Ok(values) => words.byte(1).numbers(values),
            Err(e) => words.byte(0).error(e),
        };
        link.send(above(link.rank()), &words.done())
    }
}

impl Drop for Ranks {
    fn drop(&mut self) {
        // the others would wait for ever for a rank that has panicked
        if std::thread::panicking() {
            self.abort(101);
        }
        self.stop();
    }
}

impl Join {
    fn into(self, mine: &mut [f64], theirs: &[f64]) {
        for (mine, &theirs) in mine.iter_mut().zip(theirs) {
            *mine = match self {
                Join::Sum => *mine + theirs,
                Join::Max => mine.max(theirs),
            };
        }
    }
}

/// What the ranks right below answer, in rising order, or the failure of the lowest; all are received.
fn answers(link: &dyn Link, len: usize) -> Answers {
    let all: Vec<Result<Vec<f64>>> = below(link.rank(), link.size())
        .map(|from| {
            let words = link.receive(from)?;
            let mut words = Reader::new(&words);
            if words.byte()? == 0 {
                return Err(words.error()?);
            }
            let values = words.numbers()?;
            if values.len() == len { Ok(values) } else { Err(pack::damaged()) }
        })
        .collect();
    all.into_iter().collect()
}

/// The rank that a rank answers to.
fn above(rank: usize) -> usize {
    rank & rank.wrapping_sub(1)
}

/// The ranks that answer to a rank, rising.
fn below(rank: usize, size: usize) -> impl Iterator<Item = usize> {
    let lowest = if rank == 0 { usize::BITS } else { rank.trailing_zeros() };
    (0..lowest).map_while(move |k| 1usize.checked_shl(k).map(|step| rank + step).filter(|&r| r < size))
}

/// A rank that does not answer any more.
fn gone(rank: usize) -> Error {
    Error::new(
        crate::error::Class::Io,
        "ranks::gone",
        format!("rank {rank}"),
        "has ended before the program did",
        "see what it or the launcher printed",
    )
}

#[cfg(test)]
mod tests;
