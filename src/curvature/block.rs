//! Which parameters a curvature matrix is about.

use crate::error::{Error, Result};

/// How the parameters are divided into blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One block of all parameters.
    Full,
    /// One block per tensor.
    Layers,
    /// One block per module: the tensors whose names agree up to the last dot (weight and bias).
    Module,
    /// The tensor, or the module, of this name alone.
    Layer(String),
}

/// A tensor of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockTensor {
    /// Position among the parameters of the snapshot.
    pub index: usize,
    /// Name in the snapshot.
    pub name: String,
    /// Extents.
    pub shape: Vec<usize>,
    /// First row of the block that belongs to it.
    pub offset: usize,
    /// Number of elements.
    pub size: usize,
}

/// A set of parameter tensors; a vector of the block is their row-major elements one after the other, in state_dict
/// order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// `full`, or the name of the tensor or module.
    pub name: String,
    /// The tensors.
    pub tensors: Vec<BlockTensor>,
    /// Number of parameters.
    pub len: usize,
}

impl Block {
    fn new(name: &str, params: &[(String, Vec<usize>)], chosen: impl Fn(usize) -> bool) -> Self {
        let mut len = 0;
        let mut tensors = Vec::new();
        for (index, (name, shape)) in params.iter().enumerate() {
            if chosen(index) {
                let size = shape.iter().product();
                tensors.push(BlockTensor { index, name: name.clone(), shape: shape.clone(), offset: len, size });
                len += size;
            }
        }
        Block { name: name.to_string(), tensors, len }
    }

    /// All parameters.
    pub fn full(params: &[(String, Vec<usize>)]) -> Self {
        Self::new("full", params, |_| true)
    }

    /// The tensors at these positions, in state_dict order.
    pub(super) fn of(params: &[(String, Vec<usize>)], tensors: &[usize]) -> Self {
        Self::new("part", params, |i| tensors.contains(&i))
    }

    /// Whether the block has no parameters.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The module of a parameter: its name up to the last dot.
fn module(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(module, _)| module)
}

/// The blocks of a scope, in state_dict order.
///
/// # Errors
/// When [`Scope::Layer`] names neither a tensor nor a module.
pub fn blocks(params: &[(String, Vec<usize>)], scope: &Scope) -> Result<Vec<Block>> {
    Ok(match scope {
        Scope::Full => vec![Block::full(params)],
        Scope::Layers => (0..params.len()).map(|i| Block::new(&params[i].0, params, |j| j == i)).collect(),
        Scope::Module => {
            let mut names: Vec<&str> = Vec::new();
            for (name, _) in params {
                if !names.contains(&module(name)) {
                    names.push(module(name));
                }
            }
            names.iter().map(|m| Block::new(m, params, |j| module(&params[j].0) == *m)).collect()
        }
        Scope::Layer(wanted) => {
            let mut block = Block::new(wanted, params, |j| params[j].0 == *wanted);
            if block.is_empty() {
                block = Block::new(wanted, params, |j| module(&params[j].0) == wanted);
            }
            if block.is_empty() {
                let names: Vec<&str> = params.iter().map(|p| p.0.as_str()).collect();
                return Err(Error::usage(
                    "curvature::layer",
                    format!("--scope layer:{wanted}"),
                    "no parameter tensor or module has this name",
                    format!("the tensors are {}", names.join(", ")),
                ));
            }
            vec![block]
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_divide_the_parameters() {
        let params: Vec<(String, Vec<usize>)> =
            [("a.weight", vec![3, 2]), ("a.bias", vec![3]), ("b.c.weight", vec![4]), ("scale", vec![])]
                .map(|(n, s)| (n.to_string(), s))
                .to_vec();
        let lens = |scope| blocks(&params, &scope).unwrap().iter().map(|b| (b.name.clone(), b.len)).collect::<Vec<_>>();
        let named = |x: &[(&str, usize)]| x.iter().map(|(n, l)| (n.to_string(), *l)).collect::<Vec<_>>();
        assert_eq!(lens(Scope::Full), named(&[("full", 14)]));
        assert_eq!(lens(Scope::Layers), named(&[("a.weight", 6), ("a.bias", 3), ("b.c.weight", 4), ("scale", 1)]));
        assert_eq!(lens(Scope::Module), named(&[("a", 9), ("b.c", 4), ("scale", 1)]));
        assert_eq!(lens(Scope::Layer("a.bias".into())), named(&[("a.bias", 3)]));
        assert_eq!(lens(Scope::Layer("a".into())), named(&[("a", 9)]));
        assert!(blocks(&params, &Scope::Layer("d".into())).unwrap_err().to_string().contains("a.weight"));
    }
}
