//! Questions and answers over threads as ranks.

use super::{Join, Ranks, above, below};
use crate::error::{Class, Error};

/// Rank 0 runs `first`, every other one answers with `reply`.
fn with<R>(
    size: usize,
    reply: impl Fn(usize, &[u8]) -> crate::error::Result<Vec<f64>> + Sync,
    first: impl FnOnce(&Ranks) -> R,
) -> R {
    let mut ranks = Ranks::in_process(size).into_iter();
    let zero = ranks.next().unwrap();
    std::thread::scope(|scope| {
        for other in ranks {
            let reply = &reply;
            scope.spawn(move || {
                while let Some(asked) = other.next().unwrap() {
                    other.reply(&asked, reply(other.rank(), &asked.body)).unwrap();
                }
            });
        }
        let result = first(&zero);
        zero.stop();
        result
    })
}

#[test]
fn the_tree_reaches_every_rank_once() {
    for size in 1..40 {
        let mut reached = vec![0; size];
        for rank in 0..size {
            for child in below(rank, size) {
                assert_eq!(above(child), rank);
                reached[child] += 1;
            }
        }
        assert_eq!(reached[0], 0);
        assert!(reached[1..].iter().all(|&n| n == 1), "{size}: {reached:?}");
    }
}

#[test]
fn answers_are_joined_in_a_fixed_order() {
    for size in 1..9 {
        // sums of these depend on their order
        let value = |rank: usize| 0.1 * (1 << rank) as f64 + 1e-17 * rank as f64;
        let reply = |rank: usize, _: &[u8]| Ok(vec![value(rank), -(rank as f64)]);
        let run = || {
            with(size, reply, |zero| {
                let (mut sum, mut max) = (vec![value(0), 0.0], vec![value(0), -1e9]);
                let question = zero.ask(b"sum", Join::Sum, 2, &[]).unwrap();
                zero.answer(question, &mut sum).unwrap();
                let question = zero.ask(b"max", Join::Max, 2, &[]).unwrap();
                zero.answer(question, &mut max).unwrap();
                (sum, max)
            })
        };
        let (sum, max) = run();
        let all: f64 = (0..size).map(value).sum();
        assert!((sum[0] - all).abs() <= 1e-15 * all);
        assert_eq!(max[0], value(size - 1));
        assert_eq!(max[1], if size > 1 { -1.0 } else { -1e9 });
        assert_eq!((sum, max), run());
    }
}

#[test]
fn an_answer_may_be_fetched_late_or_never() {
    let reply = |_: usize, body: &[u8]| Ok(vec![f64::from(body[0])]);
    with(3, reply, |zero| {
        let first = zero.ask(&[1], Join::Sum, 1, &[]).unwrap();
        let never = zero.ask(&[2], Join::Sum, 1, &[]).unwrap();
        let third = zero.ask(&[3], Join::Sum, 1, &[]).unwrap();
        let mut value = [0.0];
        zero.answer(third, &mut value).unwrap();
        assert_eq!(value, [6.0]);
        zero.answer(first, &mut value).unwrap();
        assert_eq!(value, [8.0]);
        drop(never);
    });
}

#[test]
fn a_failure_travels_up_and_the_ranks_go_on() {
    let failure =
        |rank: usize| Error::new(Class::Resource, "test::full", format!("rank {rank}"), "is full", "empty it");
    let reply = |rank: usize, body: &[u8]| match body {
        [bad] if usize::from(*bad) == rank => Err(failure(rank)),
        _ => Ok(vec![1.0]),
    };
    for bad in 1..6u8 {
        with(6, reply, |zero| {
            let mut value = [1.0];
            let question = zero.ask(&[bad], Join::Sum, 1, &[]).unwrap();
            assert_eq!(zero.answer(question, &mut value), Err(failure(usize::from(bad))));
            let question = zero.ask(&[], Join::Sum, 1, &[]).unwrap();
            zero.answer(question, &mut value).unwrap();
            assert_eq!(value, [6.0]);
        });
    }
}

#[test]
fn many_threads_may_ask_at_once() {
    let reply = |_: usize, body: &[u8]| Ok(vec![f64::from(body[0]); 3]);
    with(3, reply, |zero| {
        std::thread::scope(|scope| {
            for i in 0..8u8 {
                scope.spawn(move || {
                    for _ in 0..50 {
                        let question = zero.ask(&[i], Join::Sum, 3, &[]).unwrap();
                        let mut value = [f64::from(i); 3];
                        zero.answer(question, &mut value).unwrap();
                        assert_eq!(value, [3.0 * f64::from(i); 3]);
                    }
                });
            }
        });
    });
}

#[test]
fn what_is_not_a_message_is_refused() {
    use super::pack::{Reader, Writer};
    let mut words = Writer::new();
    words.byte(7).number(3).counts(&[1, 2]).indices(&[9]).numbers(&[0.5, f64::NEG_INFINITY]).bytes(b"end");
    let words = words.done();
    let read = |bytes: &[u8]| -> crate::error::Result<bool> {
        let mut r = Reader::new(bytes);
        Ok(r.byte()? == 7
            && r.number()? == 3
            && r.counts()? == [1, 2]
            && r.indices()? == [9]
            && r.numbers()? == [0.5, f64::NEG_INFINITY]
            && r.bytes()? == b"end")
    };
    assert!(read(&words).unwrap());
    for n in 0..words.len() {
        assert_eq!(read(&words[..n]).unwrap_err().code, "ranks::message");
    }
    // a length beyond what is there
    assert!(Reader::new(&[255; 16]).numbers().is_err());
}
