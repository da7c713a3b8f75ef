//! Machines: what turns operations into seconds.

use super::source::CiteSource;
use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A machine.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hardware {
    /// The file name without its extension.
    pub id: String,
    /// What it computes with.
    pub kind: HardwareKind,
    /// One line for people.
    pub title: String,
    /// Quantum: time of one operation, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate_time: Option<Rate>,
    /// Classical: rate of dense work, in flops per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flops_per_second: Option<Rate>,
    /// Classical: rate of products with a stored matrix, in flops per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matvec_flops_per_second: Option<Rate>,
    /// Classical: the vendor's peak, for comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_flops_per_second: Option<f64>,
    /// Classical: the sustained part of the peak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sustained_fraction: Option<f64>,
    /// Classical: memory bandwidth, in bytes per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes_per_second: Option<f64>,
    /// Quantum: times in seconds and error rates of the physical operations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub physical: BTreeMap<String, f64>,
    /// What pricing on it rests on.
    #[serde(default)]
    pub assumptions: Vec<String>,
    /// Where the numbers come from.
    #[serde(default)]
    pub cite: Vec<CiteSource>,
    /// The file, as named in messages and in the provenance.
    #[serde(skip)]
    pub file: String,
    /// BLAKE3 of the file's bytes, in hexadecimal.
    #[serde(skip)]
    pub digest: String,
}

/// What a machine computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HardwareKind {
    /// Gates on qubits.
    Quantum,
    /// Floating-point operations.
    Classical,
}

/// A time or a rate with its band.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Best value.
    pub value: f64,
    /// Lower end; unset: the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Upper end; unset: the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Rate {
    /// A rate without a band.
    pub fn exact(value: f64) -> Self {
        Rate { value, low: None, high: None, note: None }
    }

    /// Lower end.
    pub fn low(&self) -> f64 {
        self.low.unwrap_or(self.value)
    }

    /// Upper end.
    pub fn high(&self) -> f64 {
        self.high.unwrap_or(self.value)
    }
}

impl Hardware {
    /// Reads and checks a hardware file.
    ///
    /// # Errors
    /// With the file and the key at fault.
    pub fn read(text: &str, file: &str) -> Result<Hardware> {
        let mut machine: Hardware = super::read::json(text, file)?;
        machine.file = file.to_string();
        machine.digest = blake3::hash(text.as_bytes()).to_hex().to_string();
        let bad = |key: &str, what: &str, help: &str| {
            Err(Error::input("catalog::hardware", format!("{file}: {key}"), what, help))
        };
        let stem = file.rsplit(['/', '\\']).next().and_then(|f| f.strip_suffix(".json")).unwrap_or_default();
        if machine.id != stem || !super::model::plain_id(&machine.id) {
            return bad("id", &format!("`{}` is not the file's name `{stem}`", machine.id), "the id is the file name");
        }
        let rates = [
            ("gate_time", &machine.gate_time),
            ("flops_per_second", &machine.flops_per_second),
            ("matvec_flops_per_second", &machine.matvec_flops_per_second),
        ];
        for (key, rate) in rates {
            let Some(rate) = rate else { continue };
            let ends = [rate.low(), rate.value, rate.high()];
            if ends.iter().any(|x| !(x.is_finite() && *x > 0.0)) || ends[0] > ends[1] || ends[1] > ends[2] {
                return bad(key, "needs 0 < low <= value <= high", "");
            }
        }
        let plain = [
            ("peak_flops_per_second", machine.peak_flops_per_second),
            ("sustained_fraction", machine.sustained_fraction),
            ("memory_bytes_per_second", machine.memory_bytes_per_second),
        ];
        for (key, value) in plain {
            if value.is_some_and(|x| !(x.is_finite() && x > 0.0)) {
                return bad(key, "must be above 0", "");
            }
        }
        if let Some((key, _)) = machine.physical.iter().find(|(_, x)| !(x.is_finite() && **x >= 0.0)) {
            return bad(&format!("physical.{key}"), "must be at least 0", "");
        }
        match machine.kind {
            HardwareKind::Quantum if machine.gate_time.is_none() => bad("gate_time", "a quantum machine needs it", ""),
            HardwareKind::Classical if machine.flops_per_second.is_none() => {
                bad("flops_per_second", "a classical machine needs it", "")
            }
            HardwareKind::Quantum if machine.flops_per_second.is_some() => {
                bad("flops_per_second", "belongs to a classical machine", "")
            }
            HardwareKind::Classical if machine.gate_time.is_some() => {
                bad("gate_time", "belongs to a quantum machine", "")
            }
            _ => Ok(machine),
        }
    }
}
