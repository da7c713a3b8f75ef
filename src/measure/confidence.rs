//! Bars over the batch: the same case on random parts (halves, unless another share is asked for) of its samples.

use crate::measurement::{Measured, Measurement, Subsample};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// `count` random parts of `samples` samples (⌈fraction·samples⌉ each, without repetition, ascending), from a seed.
pub fn parts(samples: usize, count: usize, fraction: f64, seed: u64) -> Vec<Vec<usize>> {
    let size = ((samples as f64 * fraction).ceil() as usize).clamp(samples.min(1), samples);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let half = |_| {
        let mut order: Vec<usize> = (0..samples).collect();
        order.shuffle(&mut rng);
        order.truncate(size);
        order.sort_unstable();
        order
    };
    (0..count).map(half).collect()
}

/// κ, d and ε over random parts of the batch, each of `fraction` of the samples: median, least and greatest; `None`
/// without parts.
pub fn bars(halves: &[Measurement], fraction: f64) -> Option<Subsample> {
    if halves.is_empty() {
        return None;
    }
    let of = |what: &str, values: Vec<f64>| -> Measured {
        let method = format!(
            "median, least and greatest over {} random parts of the batch: how it varies with the data, not an error bound",
            values.len()
        );
        spread(values, method).of(what)
    };
    let kappas: Vec<f64> = halves.iter().filter_map(|m| m.kappa.value).collect();
    let name = halves[0].kappa.of.clone().unwrap_or_else(|| "A".to_string());
    Some(Subsample {
        halves: halves.len(),
        fraction,
        singular: halves.len() - kappas.len(),
        kappa: of(&name, kappas),
        row_sparsity: of("d", halves.iter().map(|m| m.row_sparsity.value as f64).collect()),
        tolerance: of("ε", halves.iter().map(|m| m.tolerance.value).collect()),
    })
}

fn spread(mut values: Vec<f64>, method: String) -> Measured {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    match (values.first(), values.last()) {
        (Some(&low), Some(&high)) => {
            let median = if n % 2 == 1 { values[n / 2] } else { values[n / 2 - 1] / 2.0 + values[n / 2] / 2.0 };
            Measured::new(median, low, high, method)
        }
        _ => Measured { method, ..Measured::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::{RowSparsity, Tolerance};

    #[test]
    fn halves_are_halves_and_repeat_with_the_seed() {
        let found = parts(11, 40, 0.5, 3);
        assert_eq!(found, parts(11, 40, 0.5, 3));
        assert_ne!(found, parts(11, 40, 0.5, 4));
        let mut seen = [0; 11];
        for half in &found {
            assert_eq!(half.len(), 6);
            assert!(half.windows(2).all(|w| w[0] < w[1]) && half[5] < 11);
            half.iter().for_each(|&i| seen[i] += 1);
        }
        // every sample about as often as another: 40·6/11 ≈ 22
        assert!(seen.iter().all(|&c| (10..35).contains(&c)), "{seen:?}");
        assert_eq!(parts(1, 2, 0.5, 0), [[0], [0]]);
        assert_eq!(parts(10, 1, 0.21, 0)[0].len(), 3);
        assert_eq!(parts(0, 1, 0.5, 0), [[0usize; 0]]);
    }

    #[test]
    fn bars_are_order_statistics_and_count_singular_halves() {
        let one = |kappa: Option<f64>, d: usize, eps: f64| Measurement {
            kappa: Measured { value: kappa, ..Measured::default() },
            row_sparsity: RowSparsity { value: d, ..RowSparsity::default() },
            tolerance: Tolerance { value: eps, ..Tolerance::default() },
            ..Measurement::default()
        };
        let found = bars(&[one(Some(5.0), 3, 0.1), one(None, 9, 0.3), one(Some(2.0), 4, 0.2)], 0.5).unwrap();
        assert_eq!((found.halves, found.singular), (3, 1));
        assert_eq!((found.kappa.low, found.kappa.value, found.kappa.high), (Some(2.0), Some(3.5), Some(5.0)));
        assert_eq!((found.row_sparsity.low, found.row_sparsity.value), (Some(3.0), Some(4.0)));
        assert_eq!((found.tolerance.value, found.tolerance.high), (Some(0.2), Some(0.3)));
        let all_singular = bars(&[one(None, 1, 0.1)], 0.5).unwrap();
        assert_eq!((all_singular.kappa.value, all_singular.singular), (None, 1));
        assert!(bars(&[], 0.5).is_none());
    }
}
