//! Which diagonal blocks of the curvature become cases.

use super::plan::{FULL_SCOPE_LIMIT, Scope};
use crate::error::{Error, Result};

/// One diagonal block: some of the parameter tensors, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// `full`, `layer:NAME` or `module:NAME`.
    pub scope: String,
    /// Positions of its tensors among the parameters.
    pub parameters: Vec<usize>,
    /// Parameters in the block.
    pub n: usize,
}

/// The blocks that a scope asks for; without one, the whole while N ≤ 6,000 and one block per tensor beyond.
///
/// # Errors
/// Exit 2 when `layer:NAME` names neither a tensor nor a module; the message lists what there is.
pub fn blocks(parameters: &[(&str, usize)], scope: Option<&Scope>, place: &str) -> Result<Vec<Block>> {
    let total: usize = parameters.iter().map(|(_, n)| n).sum();
    let of = |scope: String, wanted: &dyn Fn(&str) -> bool| {
        let mut block = Block { scope, parameters: Vec::new(), n: 0 };
        for (i, (name, n)) in parameters.iter().enumerate().filter(|(_, (name, _))| wanted(name)) {
            debug_assert!(!name.is_empty() || parameters.len() == 1);
            block.parameters.push(i);
            block.n += n;
        }
        block
    };
    let default = if total <= FULL_SCOPE_LIMIT { Scope::Full } else { Scope::Layers };
    Ok(match scope.unwrap_or(&default) {
        Scope::Full => vec![of("full".into(), &|_| true)],
        Scope::Layers => parameters.iter().map(|(name, _)| of(format!("layer:{name}"), &|n| n == *name)).collect(),
        Scope::Module => {
            let mut modules: Vec<&str> = Vec::new();
            for (name, _) in parameters {
                if !modules.contains(&module(name)) {
                    modules.push(module(name));
                }
            }
            modules.into_iter().map(|m| of(format!("module:{m}"), &|n| module(n) == m)).collect()
        }
        Scope::Layer(wanted) => {
            let tensor = of(format!("layer:{wanted}"), &|n| n == wanted);
            let block = if tensor.n > 0 {
                tensor
            } else {
                of(format!("module:{wanted}"), &|n| n != module(n) && module(n) == wanted)
            };
            if block.n == 0 {
                let names: Vec<&str> = parameters.iter().map(|(name, _)| *name).take(40).collect();
                return Err(Error::usage(
                    "pipeline::scope",
                    format!("--scope layer:{wanted}"),
                    format!("{place} has no tensor or module of that name"),
                    format!("there are: {}", names.join(", ")),
                ));
            }
            vec![block]
        }
    })
}

/// `layers.0.weight` → `layers.0`; a name without a dot is its own module.
fn module(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(module, _)| module)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MLP: [(&str, usize); 4] = [("a.weight", 6), ("a.bias", 2), ("b.weight", 4), ("scale", 1)];

    fn shapes(scope: Option<Scope>) -> Vec<(String, Vec<usize>, usize)> {
        let list = blocks(&MLP, scope.as_ref(), "RUN").expect("blocks");
        list.into_iter().map(|b| (b.scope, b.parameters, b.n)).collect()
    }

    #[test]
    fn scopes_partition_the_parameters() {
        assert_eq!(shapes(None), [("full".to_string(), vec![0, 1, 2, 3], 13)]);
        assert_eq!(shapes(Some(Scope::Full)), shapes(None));
        let layers = shapes(Some(Scope::Layers));
        assert_eq!(layers.iter().map(|b| b.2).sum::<usize>(), 13);
        assert_eq!(layers[1], ("layer:a.bias".to_string(), vec![1], 2));
        let modules = shapes(Some(Scope::Module));
        assert_eq!(
            modules,
            [
                ("module:a".to_string(), vec![0, 1], 8),
                ("module:b".to_string(), vec![2], 4),
                ("module:scale".to_string(), vec![3], 1)
            ]
        );
    }

    #[test]
    fn a_large_network_is_taken_by_tensor() {
        let big = [("a", 6_000), ("b", 1)];
        assert_eq!(blocks(&big, None, "RUN").expect("blocks").len(), 2);
        assert_eq!(blocks(&big[..1], None, "RUN").expect("blocks").len(), 1);
    }

    #[test]
    fn one_layer_is_a_tensor_or_a_module() {
        assert_eq!(shapes(Some(Scope::Layer("b.weight".into()))), [("layer:b.weight".to_string(), vec![2], 4)]);
        assert_eq!(shapes(Some(Scope::Layer("a".into()))), [("module:a".to_string(), vec![0, 1], 8)]);
        let error = blocks(&MLP, Some(&Scope::Layer("c".into())), "RUN").expect_err("none");
        assert_eq!(error.class.exit_code(), 2);
        assert!(error.to_string().contains("a.weight"));
    }
}
