//! needed/predicted over a run's own systems: the measured end of a model's band, beside the proven one.

use super::row::SimulationRow;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far a model's formula lay above what was needed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Calibration {
    /// Model id.
    pub model: String,
    /// Systems that gave a ratio.
    pub systems: usize,
    /// Smallest needed/predicted.
    pub low: f64,
    /// Median.
    pub median: f64,
    /// Largest; above 1 the formula is optimistic somewhere.
    pub high: f64,
}

/// One entry per model, in the order of the ids; rows without a ratio are left out.
pub fn calibrate(rows: &[SimulationRow]) -> Vec<Calibration> {
    let mut models: Vec<&str> = rows.iter().map(|row| row.model.as_str()).collect();
    models.sort_unstable();
    models.dedup();
    models
        .into_iter()
        .filter_map(|model| {
            let mut ratios: Vec<f64> =
                rows.iter().filter(|row| row.model == model).filter_map(|row| row.calibration).collect();
            ratios.sort_by(f64::total_cmp);
            let (first, last) = (*ratios.first()?, *ratios.last()?);
            Some(Calibration {
                model: model.to_owned(),
                systems: ratios.len(),
                low: first,
                median: 0.5 * (ratios[(ratios.len() - 1) / 2] + ratios[ratios.len() / 2]),
                high: last,
            })
        })
        .collect()
}
