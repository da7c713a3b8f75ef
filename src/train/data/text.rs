//! Windows of the embedded text: masked (predict the hidden characters) or causal (predict the next one).

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{DataSet, Samples, Store, cross_entropy, gunzip, shuffled};
use crate::error::Result;
use crate::train::network::Interface;

const TEXT: &[u8] = include_bytes!("text.gz");

/// Length of a sequence of the character models.
pub const SEQUENCE: usize = 16;
/// Letters, the space, and one token for everything else.
const CHARACTERS: usize = 28;
/// Fraction of the tokens that a masked model must guess.
const MASKED: f64 = 0.15;
/// Target of what is not scored.
const IGNORED: i64 = -100;

/// All windows in the shuffled order of the seed; every masked one hides at least one character.
pub(super) fn windows(masked: bool, seed: u64) -> Result<DataSet> {
    let raw = gunzip(TEXT, "the embedded text", 1 << 24)?;
    let tokens = tokenize(&String::from_utf8_lossy(&raw));
    let order = shuffled(tokens.len().saturating_sub(1) / SEQUENCE, seed);
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0x6d61_736b);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for &window in &order {
        let start = window * SEQUENCE;
        let Some(here) = tokens.get(start..start + SEQUENCE + 1) else { continue };
        if !masked {
            x.extend_from_slice(&here[..SEQUENCE]);
            y.extend_from_slice(&here[1..]);
            continue;
        }
        let mut hidden: Vec<bool> = (0..SEQUENCE).map(|_| random.random::<f64>() < MASKED).collect();
        if !hidden.contains(&true) {
            hidden[0] = true;
        }
        for (&token, hidden) in here.iter().zip(hidden) {
            x.push(if hidden { CHARACTERS as i64 } else { token });
            y.push(if hidden { token } else { IGNORED });
        }
    }
    let count = x.len() / SEQUENCE;
    let samples = |list| Samples { shape: vec![SEQUENCE], store: Store::Int(list) };
    Ok(DataSet {
        name: "text".to_owned(),
        interface: Interface::Tokens { length: SEQUENCE, vocabulary: CHARACTERS + usize::from(masked) },
        loss: cross_entropy(masked.then_some(IGNORED)),
        x: samples(x),
        y: samples(y),
        order: (0..count).collect(),
    })
}

/// Letters without case are 1 to 26, a run of white space is one 0, anything else 27.
fn tokenize(text: &str) -> Vec<i64> {
    let mut out: Vec<i64> = Vec::with_capacity(text.len());
    for c in text.chars() {
        let token = match c.to_ascii_lowercase() {
            c @ 'a'..='z' => i64::from(c as u32 - 'a' as u32) + 1,
            c if c.is_whitespace() => 0,
            _ => 27,
        };
        if token != 0 || out.last().is_some_and(|&last| last != 0) {
            out.push(token);
        }
    }
    out
}
