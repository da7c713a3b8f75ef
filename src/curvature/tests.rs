//! What the tests of several modules share: a fresh network and a batch for it.

use super::Network;
use crate::snapshot::array::Array;
use crate::snapshot::loss::{LossKind, LossSpec, Reduction};
use crate::snapshot::placing::Binding;
use crate::train::{data, network};
use std::sync::Arc;

/// The network and its parameters (seed 3), on a batch of a data set (seed 5).
pub(super) fn built(name: &str, source: &str, batch: usize) -> (Arc<Network>, Vec<(String, Array)>) {
    let spec = network::Network::parse(name).unwrap();
    let d = data::load(source, &spec, batch, 5).unwrap();
    let (model, params) = spec.build(&d.interface, 3).unwrap();
    let shapes: Vec<_> = params.iter().map(|(n, a)| (n.clone(), a.shape.clone())).collect();
    let bindings: Vec<Binding> = params
        .iter()
        .map(|(n, _)| Binding { parameter: n.clone(), initializer: n.clone(), transposed: false })
        .collect();
    let loss = LossSpec {
        kind: LossKind::CrossEntropy,
        reduction: Reduction::Mean,
        ignore_index: d.ignore_index,
        label_smoothing: 0.0,
    };
    let arrays = [("x".to_owned(), d.x), ("y".to_owned(), d.y)];
    (Arc::new(Network::new(&model, &bindings, &shapes, &arrays, &loss).unwrap()), params)
}
