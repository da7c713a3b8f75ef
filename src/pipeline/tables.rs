//! Cost tables from snapshots, matrices, stored measurements, sweep files and the catalogue's own examples.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::market::Market;
use super::measuring::{measure_all, precision_of};
use super::options;
use super::plan::{Input, Plan};
use super::progress::Progress;
use crate::catalog::{Catalog, Model, Point};
use crate::error::{Error, Result};
use crate::parallel::Threads;
use crate::regress::table::{CostTable, TableProvenance, TableRow};
use crate::regress::{stored, sweep};

/// Word among the paths that stands for the worked examples of every model.
pub const EXAMPLES: &str = "examples";

/// Largest stored measurement or sweep file that is read.
const MAX_BYTES: u64 = 1 << 30;

/// The cost table of a plan: `.json` paths are stored measurements, `.toml` paths sweeps, `examples` the catalogue's
/// worked examples, anything else (nothing: the embedded sample) is measured now. Factorisations run on one thread, so
/// that the bits do not depend on the machine's number of cores.
///
/// # Errors
/// Whatever reading, measuring or pricing meets; two rows of one key.
pub fn cost_table(plan: &Plan, progress: &dyn Progress) -> Result<CostTable> {
    let threads = Threads::new(1)?;
    cost_table_in(&Market::open(plan, &threads)?, plan, progress)
}

/// The cost table of a plan, priced in an opened market; the plan's own models and machines are not looked at.
///
/// # Errors
/// As [`cost_table`].
pub fn cost_table_in(market: &Market, plan: &Plan, progress: &dyn Progress) -> Result<CostTable> {
    let threads = Threads::new(1)?;
    let catalog = &market.catalog;
    let mut provenance = TableProvenance {
        version: env!("CARGO_PKG_VERSION").into(),
        seed: plan.seed,
        precision: precision_of(plan).into(),
        options: options::of(plan),
        models: catalog.models.iter().map(|m| (m.id().to_string(), m.digest.clone())).collect(),
        hardware: market.machines().iter().map(|h| (h.id.clone(), h.digest.clone())).collect(),
        ..TableProvenance::default()
    };
    let mut rows = Vec::new();
    let mut measured: Vec<PathBuf> = Vec::new();
    let mut cases = Vec::new();
    let paths: &[PathBuf] = match &plan.input {
        Input::Sample => &[],
        Input::Paths(paths) => paths,
    };
    for path in paths {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if path.as_os_str() == EXAMPLES {
            for model in &catalog.models {
                rows.extend(examples(model));
            }
        } else if extension.eq_ignore_ascii_case("json") {
            let bytes = read(path)?;
            cases.extend(stored::read(&bytes, &path.display().to_string())?.into_iter().map(|s| s.measurement));
        } else if extension.eq_ignore_ascii_case("toml") {
            let bytes = read(path)?;
            let place = path.display().to_string();
            let text = std::str::from_utf8(&bytes)
                .map_err(|e| Error::input("regress::sweep", &place, e, "save the file as UTF-8"))?;
            provenance.inputs.insert(file_name(path), blake3::hash(&bytes).to_hex().to_string());
            for point in sweep::parse(text, &place)? {
                rows.extend(point_rows(catalog, &point)?);
            }
        } else {
            measured.push(path.clone());
        }
    }
    if paths.is_empty() || !measured.is_empty() {
        let input = if paths.is_empty() { Input::Sample } else { Input::Paths(measured) };
        let found = measure_all(&Plan { input, ..plan.clone() }, &threads, progress)?;
        provenance.inputs.extend(found.inputs.into_iter().map(|i| (i.path, i.blake3)));
        cases.extend(found.cases);
    }
    for measurement in cases {
        let id = measurement.id.clone();
        provenance.measurements.insert(id.clone(), stored::digest(&measurement)?);
        rows.extend(market.costs(&measurement).iter().map(|cost| TableRow::from_cost(&id, cost)));
    }
    CostTable::new(provenance, rows)
}

/// Where a quantity of a model stands: its file and the line of its id.
pub fn locate(catalog: &Catalog, model: &str, quantity: &str) -> Option<(String, usize)> {
    let found = catalog.models.iter().find(|m| m.id() == model)?;
    let text = std::fs::read_to_string(&found.file).unwrap_or_default();
    let wanted = format!("\"id\": \"{quantity}\"");
    let line = text.lines().position(|l| l.contains(&wanted)).map_or(1, |i| i + 1);
    Some((found.file.clone(), line))
}

/// A row per worked example; two examples at one point (of two sources) are one row.
fn examples(model: &Model) -> Vec<TableRow> {
    let mut rows: Vec<TableRow> = model
        .source
        .examples
        .iter()
        .filter_map(|example| {
            let quantity = model.quantity(&example.quantity)?;
            let at: BTreeMap<String, f64> = example.at.0.iter().map(|(name, value)| (name.clone(), *value)).collect();
            Some(priced(model, quantity, &format!("{EXAMPLES}/{}", label(&at)), &at))
        })
        .collect();
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    rows.dedup_by(|a, b| a.key == b.key);
    rows
}

fn label(at: &BTreeMap<String, f64>) -> String {
    at.iter().map(|(name, x)| format!("{name}={x:?}")).collect::<Vec<_>>().join(",")
}

fn point_rows(catalog: &Catalog, point: &sweep::Point) -> Result<Vec<TableRow>> {
    let model = catalog.model(&point.model)?;
    Ok(model.quantities.iter().map(|quantity| priced(model, quantity, &point.case, &point.at)).collect())
}

fn priced(model: &Model, quantity: &crate::catalog::Quantity, case: &str, at: &BTreeMap<String, f64>) -> TableRow {
    let point = Point::of(at.iter().map(|(name, x)| (name.as_str(), *x)));
    let outcome = model.price(quantity, &point);
    TableRow {
        key: format!("{case}/{}/-/-/{}", model.id(), quantity.name()),
        model: model.id().into(),
        scenario: "-".into(),
        hardware: None,
        quantity: quantity.name(),
        unit: quantity.unit.clone(),
        value: outcome.value,
        low: outcome.low,
        high: outcome.high,
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let place = path.display().to_string();
    let size = std::fs::metadata(path).map_err(|e| Error::io(&place, &e))?.len();
    if size > MAX_BYTES {
        let what = format!("{size} bytes; stored measurements and sweeps stay below {MAX_BYTES}");
        return Err(Error::input("regress::oversized", place, what, "split the file"));
    }
    std::fs::read(path).map_err(|e| Error::io(&place, &e))
}
