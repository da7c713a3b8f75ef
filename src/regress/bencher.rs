//! Bencher Metric Format: `{ benchmark: { measure: { value, lower_value, upper_value } } }`.

use serde_json::{Map, Value, json};

use super::table::CostTable;

/// Bencher refuses longer benchmark names.
pub const MAX_NAME: usize = 1024;

/// The metrics of every row that has a number; the bands map to the lower and upper value.
pub fn bencher(table: &CostTable) -> Value {
    let mut out = Map::new();
    for row in &table.rows {
        let Some(value) = row.value else { continue };
        let hardware = row.hardware.as_deref().unwrap_or("-");
        let mut name = format!("{}/{}/{}/{hardware}", row.case(), row.model, row.scenario);
        while name.len() > MAX_NAME {
            name.pop();
        }
        let mut metric = Map::new();
        metric.insert("value".into(), json!(value));
        if let Some(low) = row.low.filter(|low| *low <= value) {
            metric.insert("lower_value".into(), json!(low));
        }
        if let Some(high) = row.high.filter(|high| *high >= value) {
            metric.insert("upper_value".into(), json!(high));
        }
        let benchmark = out.entry(name).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(measures) = benchmark {
            measures.insert(format!("{} ({})", row.quantity, row.unit), Value::Object(metric));
        }
    }
    Value::Object(out)
}
