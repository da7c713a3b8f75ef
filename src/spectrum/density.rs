//! The spectrum in bins on a signed logarithmic axis, for the figure and for a reader.

use crate::measurement::SpectrumBin;
use std::collections::BTreeMap;

/// Bins per decade of |λ|.
pub const BINS_PER_DECADE: i32 = 4;

/// Counts the eigenvalues in bins [10^(k/4), 10^((k+1)/4)) of |λ| for each sign; those within `tolerance` of zero form
/// one bin of sign 0. Ascending along the signed axis; empty bins are left out.
pub fn bins(values: &[f64], tolerance: f64) -> Vec<SpectrumBin> {
    weighted(values.iter().map(|&x| (x, 1.0)), tolerance)
}

/// The same from nodes (θ, weight) of a quadrature of the spectral density, weights summing to 1, for n eigenvalues:
/// counts are estimates, rounded.
pub fn estimated(nodes: &[(f64, f64)], n: usize, tolerance: f64) -> Vec<SpectrumBin> {
    weighted(nodes.iter().map(|&(x, w)| (x, w * n as f64)), tolerance)
}

fn weighted(values: impl Iterator<Item = (f64, f64)>, tolerance: f64) -> Vec<SpectrumBin> {
    let mut counts: BTreeMap<(i8, i32), f64> = BTreeMap::new();
    let mut zero = 0.0;
    for (x, weight) in values {
        if x.abs() <= tolerance || x.is_nan() {
            zero += weight;
        } else {
            let (sign, k) = (if x > 0.0 { 1 } else { -1 }, bin(x.abs()));
            // negative ones run from large to small magnitude
            *counts.entry((sign, if sign < 0 { -k } else { k })).or_default() += weight;
        }
    }
    let one = |(&(sign, k), &count): (&(i8, i32), &f64)| {
        let k = if sign < 0 { -k } else { k };
        SpectrumBin { sign, low: edge(k), high: edge(k + 1), count: count.round() as u64 }
    };
    let mut out: Vec<SpectrumBin> = counts.iter().filter(|((sign, _), _)| *sign < 0).map(one).collect();
    out.push(SpectrumBin { sign: 0, low: 0.0, high: tolerance, count: zero.round() as u64 });
    out.extend(counts.iter().filter(|((sign, _), _)| *sign > 0).map(one));
    out.retain(|b| b.count > 0);
    out
}

fn edge(k: i32) -> f64 {
    let decade = k.div_euclid(BINS_PER_DECADE);
    let part = k.rem_euclid(BINS_PER_DECADE);
    // the decade is exact as a literal, which keeps 1e-3 an edge and not 0.0010000000000000002
    let base: f64 = format!("1e{decade}").parse().unwrap_or(0.0);
    base * 10f64.powf(f64::from(part) / f64::from(BINS_PER_DECADE))
}

fn bin(x: f64) -> i32 {
    let mut k = (x.log10() * f64::from(BINS_PER_DECADE)).floor() as i32;
    while edge(k + 1) <= x {
        k += 1;
    }
    while edge(k) > x {
        k -= 1;
    }
    k
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_eigenvalue_lands_in_the_bin_that_contains_it() {
        let values = [-3.0, -1e-3, -2e-14, 0.0, 1e-3, 1.1e-3, 9.999, 10.0, 1e300, 1e-300];
        let bins = bins(&values, 1e-13);
        assert_eq!(bins.iter().map(|b| b.count).sum::<u64>(), values.len() as u64);
        for bin in bins.iter().filter(|b| b.sign != 0) {
            let sign = f64::from(bin.sign);
            let inside = values
                .iter()
                .filter(|&&x| x.abs() > 1e-13 && x * sign > 0.0 && bin.low <= x.abs() && x.abs() < bin.high)
                .count();
            assert_eq!(inside as u64, bin.count, "{bin:?}");
        }
        let zero: Vec<_> = bins.iter().filter(|b| b.sign == 0).collect();
        assert_eq!((zero.len(), zero[0].count), (1, 3));
        // ascending along the signed axis
        let middle = |b: &SpectrumBin| f64::from(b.sign) * b.low;
        assert!(bins.windows(2).all(|w| middle(&w[0]) <= middle(&w[1])));
    }

    #[test]
    fn decades_are_exact_edges() {
        for k in [-12, -3, 0, 3, 15] {
            let x: f64 = format!("1e{k}").parse().unwrap();
            assert_eq!(bins(&[x], 0.0)[0].low, x);
        }
    }
}
