//! The published JSON Schemas of the files that the program reads and writes, generated from their types.

use std::fmt;

use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde::{Deserialize, Serialize};

use crate::catalog::{Hardware, ModelSource};
use crate::error::{Error, Result};
use crate::measurement::Measurement;
use crate::regress::compare::Comparison;
use crate::regress::table::CostTable;
use crate::report::document::Report;

/// Where the schemas are published.
const HOME: &str = "https://raw.githubusercontent.com/breakeven-rs/breakeven/main/models/schema";

/// What `breakeven measure --format json` prints.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Measurements {
    /// Version of this layout; absent in files of before it was introduced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<String>,
    /// One entry per snapshot and block.
    pub cases: Vec<Measurement>,
}

/// A kind of file with a published schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// `report.json`.
    Report,
    /// `breakeven measure --format json`.
    Measurement,
    /// `breakeven table`, and the baselines of `breakeven check`.
    CostTable,
    /// `breakeven check --format json`.
    Check,
    /// A cost model under `models/`.
    Model,
    /// A machine under `models/hardware/`.
    Hardware,
}

impl Document {
    /// All of them.
    pub const ALL: [Document; 6] = [
        Document::Report,
        Document::Measurement,
        Document::CostTable,
        Document::Check,
        Document::Model,
        Document::Hardware,
    ];

    /// The schema's file name without its extension.
    pub fn name(self) -> &'static str {
        match self {
            Document::Report => "report",
            Document::Measurement => "measurement",
            Document::CostTable => "cost-table",
            Document::Check => "check",
            Document::Model => "model",
            Document::Hardware => "hardware",
        }
    }

    /// The schema (JSON Schema 2020-12).
    pub fn schema(self) -> Schema {
        let generator = SchemaSettings::draft2020_12().into_generator();
        let mut schema = match self {
            Document::Report => generator.into_root_schema_for::<Report>(),
            Document::Measurement => generator.into_root_schema_for::<Measurements>(),
            Document::CostTable => generator.into_root_schema_for::<CostTable>(),
            Document::Check => generator.into_root_schema_for::<Comparison>(),
            Document::Model => generator.into_root_schema_for::<ModelSource>(),
            Document::Hardware => generator.into_root_schema_for::<Hardware>(),
        };
        schema.insert("$id".into(), format!("{HOME}/{}.json", self.name()).into());
        schema
    }

    /// The bytes of the schema's file.
    ///
    /// # Errors
    /// Never for a schema made of the types here.
    pub fn bytes(self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(&self.schema())
            .map_err(|e| Error::certificate("schema::serialize", self.name(), e, "report this as a bug"))?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

impl std::str::FromStr for Document {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Document::ALL
            .into_iter()
            .find(|d| d.name() == text)
            .ok_or_else(|| format!("choose one of {}", Document::ALL.map(Document::name).join(", ")))
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
