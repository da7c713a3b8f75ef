//! What was planned for a network, kept from one snapshot to the next: plans depend on graph and block alone, and a Newton
//! iteration asks for the same ones at every step.

use super::assembly::Assembly;
use super::block::Block;
use super::lanes::Plan;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Plans of one kind that are kept; where more are asked for the oldest go.
const KEPT: usize = 32;

/// The tensors of a block and where they begin.
type Key = Vec<(usize, usize)>;

/// A map: its block, the tensors whose tangents it reads and those whose rows it gives.
type Ends = (Key, Vec<usize>, Vec<usize>);

/// Keys and values, oldest first.
type Kept<K, V> = Mutex<Vec<(K, V)>>;

/// The plans of one network.
#[derive(Default)]
pub(super) struct Planned {
    assemblies: Kept<Key, Arc<Assembly>>,
    maps: Kept<Ends, Vec<Arc<Plan>>>,
}

impl Planned {
    /// The structured assembly of a block.
    pub fn assembly(&self, block: &Block, plan: impl FnOnce() -> Assembly) -> Arc<Assembly> {
        find(&self.assemblies, key(block), || Arc::new(plan()))
    }

    /// The map from the tangents of some tensors of a block to the rows of others, piece by piece.
    pub fn map(
        &self,
        block: &Block,
        (from, to): (&[usize], &[usize]),
        plan: impl FnOnce() -> Vec<Arc<Plan>>,
    ) -> Vec<Arc<Plan>> {
        find(&self.maps, (key(block), from.to_vec(), to.to_vec()), plan)
    }
}

fn key(block: &Block) -> Key {
    block.tensors.iter().map(|t| (t.index, t.offset)).collect()
}

/// The value of a key; planned outside the lock, so that others need not wait (at worst it is planned twice).
fn find<K: PartialEq, V: Clone>(kept: &Kept<K, V>, key: K, plan: impl FnOnce() -> V) -> V {
    let lock = || kept.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, value)) = lock().iter().find(|(k, _)| *k == key) {
        return value.clone();
    }
    let value = plan();
    let mut kept = lock();
    if kept.len() >= KEPT {
        kept.remove(0);
    }
    kept.push((key, value.clone()));
    value
}

impl fmt::Debug for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Planned").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_made_once_and_the_oldest_go() {
        let kept = Mutex::new(Vec::new());
        let mut made = 0;
        for i in [0, 1, 0, 1, 0] {
            let value = find(&kept, i, || {
                made += 1;
                10 * i
            });
            assert_eq!(value, 10 * i);
        }
        assert_eq!(made, 2);
        for i in 2..=KEPT {
            find(&kept, i, || i);
        }
        assert_eq!(kept.lock().unwrap().len(), KEPT);
        assert_eq!(find(&kept, 0, || 7), 7);
        assert_eq!(find(&kept, KEPT, || 7), KEPT);
    }
}
