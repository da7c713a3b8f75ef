//! Stored measurements: what `measure --format json` or `analyze` wrote, read back without weights.

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::measurement::Measurement;

/// A stored measurement and the digest of its canonical JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The measurement.
    pub measurement: Measurement,
    /// BLAKE3, in hexadecimal.
    pub blake3: String,
}

/// The digest of a measurement: BLAKE3 of its compact JSON in the order of the fields of the type.
///
/// # Errors
/// When a number is not finite.
pub fn digest(measurement: &Measurement) -> Result<String> {
    let bytes = serde_json::to_vec(measurement)
        .map_err(|e| Error::certificate("regress::serialize", &measurement.id, e, "report this as a bug"))?;
    Ok(blake3::hash(&bytes).to_hex().to_string())
}

/// Reads `{ "cases": [ … ] }` as `measure` and `analyze` write it; what is not measured (costs, verdicts) is skipped.
///
/// # Errors
/// Malformed JSON, another major schema version, a case without its numbers, two cases of one id: exit 3.
pub fn read(bytes: &[u8], place: &str) -> Result<Vec<Stored>> {
    let remedy = "give what `breakeven measure … --format json` or `breakeven analyze` wrote";
    let document: Value = serde_json::from_slice(bytes).map_err(|e| {
        let at = format!("{place}, line {}, column {}", e.line(), e.column());
        Error::input("regress::malformed-measurement", at, e, remedy)
    })?;
    if let Some(version) = document["schema_version"].as_str()
        && version.split('.').next() != super::table::SCHEMA_VERSION.split('.').next()
    {
        let what = format!("schema version {version}, this program reads {}", super::table::SCHEMA_VERSION);
        return Err(Error::input("regress::schema-version", format!("{place}, schema_version"), what, "measure again"));
    }
    let Some(cases) = document["cases"].as_array() else {
        return Err(Error::input("regress::malformed-measurement", place, "there is no list of cases", remedy));
    };
    let mut out: Vec<Stored> = Vec::with_capacity(cases.len());
    for (i, case) in cases.iter().enumerate() {
        let at = |what: &str| format!("{place}, case {}{what}", i + 1);
        let measurement = Measurement::deserialize(case)
            .map_err(|e| Error::input("regress::malformed-measurement", at(""), e, remedy))?;
        if out.iter().any(|other| other.measurement.id == measurement.id) {
            let what = format!("the id {} stands twice", measurement.id);
            return Err(Error::input("regress::duplicate-case", at(""), what, "measure again"));
        }
        out.push(Stored { blake3: digest(&measurement)?, measurement });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_and_a_measurement_read_alike() {
        let m = Measurement { id: "a".into(), n: 3, ..Measurement::default() };
        let plain = serde_json::json!({ "cases": [m] });
        let mut report = plain.clone();
        report["schema_version"] = "1.0".into();
        report["cases"][0]["costs"] = serde_json::json!([{ "model": "cg" }]);
        let read = |v: &Value| read(v.to_string().as_bytes(), "x.json");
        assert_eq!(read(&plain).unwrap(), read(&report).unwrap());
        assert_eq!(read(&plain).unwrap()[0].measurement, m);
        report["schema_version"] = "2.0".into();
        assert_eq!(read(&report).unwrap_err().code, "regress::schema-version");
        assert_eq!(read(&serde_json::json!({ "cases": [m, m] })).unwrap_err().code, "regress::duplicate-case");
        assert_eq!(read(&serde_json::json!({ "cases": [{}] })).unwrap_err().code, "regress::malformed-measurement");
        assert_eq!(super::read(b"{\"cases\": [", "x").unwrap_err().class, crate::error::Class::Input);
    }
}
