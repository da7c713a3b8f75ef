//! The cost table: sorted rows with stable keys, and the digests of what they were computed from.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cost::CostRow;
use crate::error::{Error, Result};

/// Layout version of a cost table; additive changes only within a major version.
pub const SCHEMA_VERSION: &str = "1.0";

/// A cost table, as written by `breakeven table` and read by `breakeven check`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CostTable {
    /// Version of this layout.
    pub schema_version: String,
    /// Digests of everything that the rows were computed from; no host, no thread count, no time.
    pub provenance: TableProvenance,
    /// Sorted by `key`, keys unique.
    pub rows: Vec<TableRow>,
}

/// What determined the rows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TableProvenance {
    /// Version of the program.
    pub version: String,
    /// Seed of the random choices.
    pub seed: u64,
    /// `f64` or `f32`.
    pub precision: String,
    /// Options that were in force, by name.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// BLAKE3 of each input file, by name.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// BLAKE3 of each model file, by id.
    #[serde(default)]
    pub models: BTreeMap<String, String>,
    /// BLAKE3 of each hardware file, by id.
    #[serde(default)]
    pub hardware: BTreeMap<String, String>,
    /// BLAKE3 of each measurement's canonical JSON, by case id.
    #[serde(default)]
    pub measurements: BTreeMap<String, String>,
}

/// One gated number.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TableRow {
    /// `case/model/scenario/hardware/quantity`.
    pub key: String,
    /// Model id.
    pub model: String,
    /// Scenario id.
    pub scenario: String,
    /// Hardware id; `null` for bare counts.
    pub hardware: Option<String>,
    /// Quantity id.
    pub quantity: String,
    /// Unit of `value`.
    pub unit: String,
    /// The gated number; `null` where the model gives none, which is gated too.
    pub value: Option<f64>,
    /// Lower end of its band.
    pub low: Option<f64>,
    /// Upper end of its band.
    pub high: Option<f64>,
}

impl TableRow {
    /// The row of a priced quantity of the case `case`.
    pub fn from_cost(case: &str, row: &CostRow) -> Self {
        let hardware = row.hardware.as_deref().unwrap_or("-");
        // what a real run took stands beside what the formula says, under the name that models use for it
        let quantity = if row.bound == "run" { format!("{}:run", row.quantity) } else { row.quantity.clone() };
        TableRow {
            key: format!("{case}/{}/{}/{hardware}/{quantity}", row.model, row.scenario),
            model: row.model.clone(),
            scenario: row.scenario.clone(),
            hardware: row.hardware.clone(),
            quantity,
            unit: row.unit.clone(),
            value: row.value,
            low: row.low,
            high: row.high,
        }
    }

    /// The case, the first part of the key.
    pub fn case(&self) -> &str {
        let tail = self.model.len()
            + self.scenario.len()
            + self.quantity.len()
            + self.hardware.as_deref().map_or(1, str::len)
            + 4;
        self.key.get(..self.key.len().saturating_sub(tail)).unwrap_or(&self.key)
    }
}

impl CostTable {
    /// A table of `rows`, sorted; two rows of one key are an error.
    ///
    /// # Errors
    /// When a key occurs twice or a number is not finite.
    pub fn new(provenance: TableProvenance, mut rows: Vec<TableRow>) -> Result<Self> {
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        let table = CostTable { schema_version: SCHEMA_VERSION.into(), provenance, rows };
        table.validate("the cost table")?;
        Ok(table)
    }

    /// The bytes of the file: pretty JSON, shortest round-trip numbers, a newline at the end.
    ///
    /// # Errors
    /// When a number is not finite (never, for a validated table).
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::certificate("regress::serialize", "the cost table", e, "report this as a bug"))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads a table; `place` names it in errors.
    ///
    /// # Errors
    /// Truncated or malformed JSON, another major version, duplicate or unsorted keys, NaN or infinity: exit 3.
    pub fn from_bytes(bytes: &[u8], place: &str) -> Result<Self> {
        check_version(bytes, place)?;
        let table: CostTable = serde_json::from_slice(bytes).map_err(|e| {
            Error::input(
                "regress::malformed-baseline",
                format!("{place}, line {}, column {}", e.line(), e.column()),
                e,
                "the file is not a whole cost table; write it again with `breakeven table … --export FILE`",
            )
        })?;
        table.validate(place)?;
        Ok(table)
    }

    /// Reads a table from a file.
    ///
    /// # Errors
    /// As [`CostTable::from_bytes`], and when the file cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path.display(), &e))?;
        Self::from_bytes(&bytes, &path.display().to_string())
    }

    fn validate(&self, place: &str) -> Result<()> {
        for (i, row) in self.rows.iter().enumerate() {
            let numbers = [row.value, row.low, row.high];
            if numbers.iter().flatten().any(|x| !x.is_finite()) {
                return Err(Error::input(
                    "regress::not-finite",
                    format!("{place}, row {} ({})", i + 1, row.key),
                    "a number is NaN or infinite",
                    "write the baseline again; a cost that does not exist is null",
                ));
            }
            if let Some(before) = i.checked_sub(1).and_then(|j| self.rows.get(j)) {
                let (code, what) = match before.key.cmp(&row.key) {
                    std::cmp::Ordering::Less => continue,
                    std::cmp::Ordering::Equal => ("regress::duplicate-key", "this key stands twice"),
                    std::cmp::Ordering::Greater => ("regress::unsorted", "the rows are not sorted by key"),
                };
                return Err(Error::input(
                    code,
                    format!("{place}, row {} ({})", i + 1, row.key),
                    what,
                    "the file was edited or merged by hand; write it again with `breakeven check … --update`",
                ));
            }
        }
        Ok(())
    }
}

/// A file of another major version is refused before its layout is looked at.
fn check_version(bytes: &[u8], place: &str) -> Result<()> {
    #[derive(Deserialize)]
    struct Head {
        schema_version: Option<String>,
    }
    let Ok(head) = serde_json::from_slice::<Head>(bytes) else { return Ok(()) };
    let version = head.schema_version.unwrap_or_default();
    let major = |v: &str| v.split('.').next().map(str::to_owned).unwrap_or_default();
    if major(&version) == major(SCHEMA_VERSION) {
        return Ok(());
    }
    let what = if version.is_empty() {
        "there is no schema_version: this is not a cost table".to_owned()
    } else {
        format!("schema version {version}, this program reads {SCHEMA_VERSION}")
    };
    Err(Error::input(
        "regress::schema-version",
        format!("{place}, schema_version"),
        what,
        "write the baseline again with this program, or use the program that wrote it",
    ))
}
