//! Any `.npz`: the array `x`, samples along its first axis, and the targets `y`, `labels` or `target`.
//!
//! Integer targets are classes (cross-entropy), floating-point targets are regressed (mean squared error).

use std::path::Path;

use super::{DataSet, Samples, Store, cross_entropy};
use crate::error::{Error, Result};
use crate::snapshot::array::{Array, Dtype, Values};
use crate::snapshot::batch::{TARGET_NAMES, check_finite};
use crate::snapshot::decode::Context;
use crate::snapshot::folder::FileEntry;
use crate::snapshot::limits::{Limits, Meter};
use crate::snapshot::loss::{LossKind, LossSpec, Reduction};
use crate::snapshot::weights;
use crate::train::network::{Interface, Network};

/// Reads the file in the form that `network` takes.
pub(super) fn read(path: &Path, network: &Network) -> Result<DataSet> {
    let place = path.display().to_string();
    let (limits, meter) = (Limits::default(), Meter::default());
    let bytes = FileEntry::on_disk(place.clone(), path.to_owned()).read(&limits)?;
    let mut arrays = weights::npz::read(&bytes, &place, Context { limits: &limits, meter: &meter })?;
    let names: Vec<String> = arrays.iter().map(|(n, _)| n.clone()).collect();
    let mut take = |wanted: &[&str]| {
        let at = arrays.iter().position(|(name, _)| wanted.contains(&name.as_str()));
        at.map(|i| arrays.swap_remove(i).1).ok_or_else(|| {
            Error::input(
                "train::npz",
                &place,
                format!("no array named {}; it holds {}", wanted.join(" or "), names.join(", ")),
                "save with numpy.savez(FILE, x=inputs, y=targets), samples along the first axis",
            )
        })
    };
    let (x, y) = (take(&["x"])?, take(&TARGET_NAMES)?);
    let count = x.shape.first().copied().unwrap_or(0);
    let samples = y.shape.first().copied().unwrap_or(0);
    if count == 0 || count != samples || x.is_empty() || y.is_empty() {
        let what = format!("x has extents {:?}, the targets {:?}", x.shape, y.shape);
        return Err(Error::input("train::npz", place, what, "save the same samples in both, along the first axis"));
    }
    check_finite(&format!("{place}: array 'x'"), &x, "leave that sample out")?;
    check_finite(&format!("{place}: the targets"), &y, "leave that sample out")?;
    match network {
        Network::Mlp(..) | Network::Cnn => vectors(x, y, network, &place),
        Network::Bert(_) | Network::Gpt(_) => tokens(x, y, &place),
    }
}

fn misfit(place: &str, what: String, remedy: &str) -> Error {
    Error::input("train::npz", place, what, remedy)
}

fn vectors(x: Array, y: Array, network: &Network, place: &str) -> Result<DataSet> {
    let tail = &x.shape[1..];
    let features: usize = tail.iter().product();
    let side = match tail {
        [a, b] | [1, a, b] if a == b => Some(*a),
        _ => None,
    };
    let shape = match (network, side) {
        (Network::Cnn, Some(side)) => vec![1, side, side],
        (Network::Cnn, None) => {
            let what = format!("x has extents {:?}, a CNN takes square images of one channel", x.shape);
            return Err(misfit(place, what, "save x as (samples, 1, side, side)"));
        }
        _ => vec![features],
    };
    let (store, dtype) = match x.values {
        Values::Float(list) => (list, x.dtype),
        Values::Int(list) => (list.iter().map(|&v| v as f64).collect(), Dtype::F32),
        Values::Bool(list) => (list.iter().map(|&v| f64::from(v)).collect(), Dtype::F32),
    };
    // what the graph takes is single or double precision
    let dtype = if dtype == Dtype::F64 { Dtype::F64 } else { Dtype::F32 };
    let last = match network {
        Network::Mlp(widths, _) => widths.last().copied().unwrap_or(0),
        _ => 0,
    };
    let (loss, classes, y) = match y.values {
        Values::Int(list) => {
            let top = labels(&list, y.shape.len() == 1 || y.shape[1..] == [1], place)?;
            (cross_entropy(None), last.max(top + 1), Samples { shape: Vec::new(), store: Store::Int(list) })
        }
        Values::Float(list) if y.shape.len() <= 2 => {
            let width = y.shape.get(1).copied().unwrap_or(1);
            let loss =
                LossSpec { kind: LossKind::Mse, reduction: Reduction::Mean, ignore_index: None, label_smoothing: 0.0 };
            (loss, width, Samples { shape: vec![width], store: Store::Float(list, Dtype::F64) })
        }
        _ => {
            let what = format!("targets of type {} and extents {:?}", y.dtype, y.shape);
            return Err(misfit(place, what, "save integer classes (samples) or numbers (samples, outputs)"));
        }
    };
    let order = (0..x.shape[0]).collect();
    let x = Samples { shape, store: Store::Float(store, dtype) };
    let interface = Interface::Vectors { features, side, classes };
    Ok(DataSet { name: place.to_owned(), interface, loss, x, y, order })
}

/// The largest of some class numbers.
fn labels(list: &[i64], one_each: bool, place: &str) -> Result<usize> {
    if !one_each {
        let what = "integer targets, but more than one for each sample".to_owned();
        return Err(misfit(place, what, "save one class for each sample, or floating-point targets"));
    }
    if let Some(i) = list.iter().position(|&l| !(0..1 << 20).contains(&l)) {
        let what = format!("target {i} is {}: classes count from 0", list[i]);
        return Err(misfit(place, what, "number the classes from 0"));
    }
    Ok(list.iter().max().map_or(0, |&l| l as usize))
}

fn tokens(x: Array, y: Array, place: &str) -> Result<DataSet> {
    let (&[count, length], true) = (&x.shape[..], x.shape == y.shape) else {
        let what = format!("x has extents {:?}, the targets {:?}", x.shape, y.shape);
        return Err(misfit(place, what, "a transformer takes (samples, length) tokens and as many targets"));
    };
    let (Values::Int(x), Values::Int(y)) = (x.values, y.values) else {
        let what = "a transformer takes integer tokens and targets".to_owned();
        return Err(misfit(place, what, "save both as int64"));
    };
    let ignored = y.contains(&-100).then_some(-100);
    let top = |list: &[i64]| list.iter().copied().max().unwrap_or(0);
    let bad = x.iter().chain(y.iter().filter(|&&t| Some(t) != ignored)).find(|&&t| !(0..1 << 20).contains(&t));
    if let Some(bad) = bad {
        let what = format!("the token {bad}: tokens count from 0 (a target of −100 is not scored)");
        return Err(misfit(place, what, "number the tokens from 0"));
    }
    let vocabulary = top(&x).max(top(&y)) as usize + 1;
    let samples = |list| Samples { shape: vec![length], store: Store::Int(list) };
    Ok(DataSet {
        name: place.to_owned(),
        interface: Interface::Tokens { length, vocabulary },
        loss: cross_entropy(ignored),
        x: samples(x),
        y: samples(y),
        order: (0..count).collect(),
    })
}
