//! A lowered network as bytes, so that another rank of the same build can evaluate it.

use super::lower::Lowered;
use super::operator::Op;
use super::program::{Node, NodeId, Program};
use crate::error::{Error, Result};
use crate::parallel::ranks::pack::{Reader, Writer};
use crate::tensor::index::IndexMap;

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::input("graph::wire", "a network from another rank", what, "start the same build on all ranks")
}

/// The network without the weights of its positions and the counts of its operators, which its evaluation does not need.
///
/// # Errors
/// None that is known: only when the nodes cannot be written as JSON.
pub fn to_bytes(lowered: &Lowered) -> Result<Vec<u8>> {
    let mut words = Writer::new();
    let nodes: Vec<&Node> = lowered.program.nodes().map(|(_, node)| node).collect();
    let (constants, maps) = (lowered.program.constants(), lowered.program.maps());
    words.bytes(&serde_json::to_vec(&nodes).map_err(damaged)?).number(constants.len()).number(maps.len());
    constants.iter().for_each(|c| {
        words.numbers(c);
    });
    maps.iter().for_each(|map| {
        words.number(map.source).indices(&map.from);
    });
    words.number(lowered.inputs.len());
    lowered.inputs.iter().for_each(|x| {
        words.numbers(x);
    });
    let index = |ids: &[NodeId]| ids.iter().map(|id| id.index()).collect::<Vec<usize>>();
    words.counts(&index(&lowered.params)).counts(&index(&lowered.kinks)).counts(&index(lowered.samples.as_slice()));
    words.counts(&index(&[lowered.output, lowered.loss]));
    Ok(words.done())
}

/// The network of [`to_bytes`].
///
/// # Errors
/// When the bytes are not those of a network.
pub fn from_bytes(bytes: &[u8]) -> Result<Lowered> {
    let mut words = Reader::new(bytes);
    let nodes: Vec<Node> = serde_json::from_slice(words.bytes()?).map_err(damaged)?;
    let (constants, maps) = (words.number()?, words.number()?);
    let constants = (0..constants).map(|_| words.numbers()).collect::<Result<Vec<_>>>()?;
    let maps = (0..maps)
        .map(|_| {
            let (source, from) = (words.number()?, words.indices()?);
            IndexMap::new(source, from).ok_or_else(|| damaged("an index map reaches beyond its source"))
        })
        .collect::<Result<Vec<_>>>()?;
    let inputs = words.number()?;
    let inputs = (0..inputs).map(|_| words.numbers()).collect::<Result<Vec<_>>>()?;
    for (at, node) in nodes.iter().enumerate() {
        let leaf = match node.op {
            Op::Constant(c) => (c.0 as usize) < constants.len(),
            Op::Gather(m) | Op::Scatter(m) => (m.0 as usize) < maps.len(),
            Op::Input(n) => n < inputs.len(),
            _ => true,
        };
        if !leaf || node.args.iter().any(|a| a.index() >= at) {
            return Err(damaged("a node reads what does not come before it"));
        }
    }
    let count = nodes.len();
    let mut ids = || -> Result<Vec<NodeId>> {
        let known = |i: usize| u32::try_from(i).ok().filter(|_| i < count).map(NodeId);
        words
            .counts()?
            .into_iter()
            .map(|i| known(i).ok_or_else(|| damaged("a node is named that is not there")))
            .collect()
    };
    let (params, kinks, samples, ends) = (ids()?, ids()?, ids()?, ids()?);
    let [output, loss] = ends[..] else { return Err(damaged("it has no loss")) };
    Ok(Lowered {
        program: Program::of_parts(nodes, constants, maps),
        params,
        inputs,
        output,
        loss,
        samples: samples.first().copied(),
        weights: Vec::new(),
        kinks,
        operators: Default::default(),
    })
}
