//! The statistics that rules look at.

/// Spearman's rank correlation.
pub fn rank_correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    let rank = |values: Vec<f64>| -> Vec<f64> {
        values
            .iter()
            .map(|x| {
                let below = values.iter().filter(|y| *y < x).count() as f64;
                let equal = values.iter().filter(|y| *y == x).count() as f64;
                below + 0.5 * (equal - 1.0)
            })
            .collect()
    };
    let (a, b) = (rank(pairs.iter().map(|p| p.0).collect()), rank(pairs.iter().map(|p| p.1).collect()));
    let mean = (pairs.len().saturating_sub(1)) as f64 / 2.0;
    let sum = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    let r = sum(&a, &b) / (sum(&a, &a) * sum(&b, &b)).sqrt();
    Some(r).filter(|r| r.is_finite())
}

/// The exponent of a cost over N by least squares in logarithms.
pub fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    let logs: Vec<(f64, f64)> =
        points.iter().filter(|(n, y)| *n > 0.0 && *y > 0.0).map(|(n, y)| (n.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let (sx, sy) = (logs.iter().map(|p| p.0).sum::<f64>() / count, logs.iter().map(|p| p.1).sum::<f64>() / count);
    let top: f64 = logs.iter().map(|(x, y)| (x - sx) * (y - sy)).sum();
    let bottom: f64 = logs.iter().map(|(x, _)| (x - sx).powi(2)).sum();
    Some(top / bottom).filter(|x| x.is_finite() && logs.len() > 1)
}
