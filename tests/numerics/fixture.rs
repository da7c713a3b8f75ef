//! Fixtures with ground truth, opened through the crate's own readers.

use breakeven::curvature::{Network, Precision, Prepared};
use breakeven::parallel::Threads;
use breakeven::snapshot::array::{Array, Values};
use breakeven::snapshot::decode::Context;
use breakeven::snapshot::limits::{Limits, Meter};
use breakeven::snapshot::weights::{WeightFormat, read};
use breakeven::snapshot::{Input, OpenOptions, RunInput};
use faer::Mat;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A fixture folder opened with one of its graphs, parameters in the truth's (state_dict) order.
pub struct Fixture {
    folder: PathBuf,
    pub run: RunInput,
    pub truth: serde_json::Value,
    pub network: Arc<Network>,
}

/// Ground truth of one snapshot.
pub struct Truth {
    pub loss: f64,
    arrays: HashMap<String, Array>,
}

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

pub fn npz(path: &std::path::Path) -> Vec<(String, Array)> {
    let bytes = std::fs::read(path).expect("fixture");
    let (limits, meter) = (Limits::default(), Meter::default());
    let context = Context { limits: &limits, meter: &meter };
    read(WeightFormat::Npz, &bytes, &path.display().to_string(), context).expect("npz")
}

impl Fixture {
    pub fn open(name: &str, graph: &str) -> Self {
        let folder = data(name);
        let options = OpenOptions {
            graph: Some(folder.join(graph)),
            snapshots: Some("*.safetensors".to_string()),
            ..OpenOptions::default()
        };
        let Input::Run(mut run) = breakeven::snapshot::open(&folder, &options).expect("run") else {
            panic!("a matrix");
        };
        let truth: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.join("truth/truth.json")).expect("truth")).expect("json");
        let order: Vec<String> =
            truth["parameters"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap().to_string()).collect();
        for s in &mut run.snapshots {
            s.params.sort_by_key(|(n, _)| order.iter().position(|o| o == n));
        }
        let mut batch = run.batch.inputs.clone();
        batch.extend(run.batch.target.clone());
        let shapes: Vec<(String, Vec<usize>)> =
            run.snapshots[0].params.iter().map(|(n, a)| (n.clone(), a.shape.clone())).collect();
        let network = Arc::new(Network::new(&run.model, &run.bindings, &shapes, &batch, &run.loss).expect("lowering"));
        Fixture { folder, run: *run, truth, network }
    }

    pub fn snapshots(&self) -> Vec<String> {
        self.truth["snapshots"].as_object().unwrap().keys().cloned().collect()
    }

    pub fn prepared<'t>(&self, snapshot: &str, precision: Precision, threads: &'t Threads) -> Prepared<'t> {
        let s = self.run.snapshots.iter().find(|s| s.name == snapshot).expect("snapshot");
        Prepared::new(self.network.clone(), &s.params, precision, threads).expect("prepared")
    }

    pub fn truth(&self, snapshot: &str) -> Truth {
        let arrays = npz(&self.folder.join(format!("truth/{snapshot}.npz"))).into_iter().collect();
        Truth { loss: self.truth["snapshots"][snapshot]["loss"].as_f64().unwrap(), arrays }
    }
}

impl Truth {
    pub fn floats(&self, name: &str) -> Option<&[f64]> {
        match &self.arrays.get(name)?.values {
            Values::Float(x) => Some(x),
            _ => None,
        }
    }

    /// Index and values of the stored columns.
    pub fn columns(&self) -> Vec<(usize, Vec<f64>)> {
        let Some(Values::Int(index)) = self.arrays.get("columns_index").map(|a| &a.values) else { return Vec::new() };
        let columns = self.floats("columns").expect("columns");
        let k = index.len();
        index
            .iter()
            .enumerate()
            .map(|(j, &i)| (i as usize, columns.iter().skip(j).step_by(k).copied().collect()))
            .collect()
    }

    /// The stored lower triangle, where there is one.
    pub fn hessian(&self) -> Option<Mat<f64>> {
        let lower = self.floats("H_lower")?;
        let n = self.floats("grad")?.len();
        assert_eq!(lower.len(), n * (n + 1) / 2);
        Some(Mat::from_fn(n, n, |i, j| {
            let (i, j) = if i >= j { (i, j) } else { (j, i) };
            lower[i * (i + 1) / 2 + j]
        }))
    }
}

/// max |a − b| / max |b|.
pub fn relative(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let top = b.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    a.iter().zip(b).fold(0.0f64, |m, (x, y)| m.max((x - y).abs())) / top.max(f64::MIN_POSITIVE)
}

/// max |a − b|.
pub fn distance(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    assert_eq!((a.nrows(), a.ncols()), (b.nrows(), b.ncols()));
    let mut m = 0.0f64;
    for j in 0..a.ncols() {
        for i in 0..a.nrows() {
            m = m.max((a[(i, j)] - b[(i, j)]).abs());
        }
    }
    m
}

/// max |a|.
pub fn top(a: &Mat<f64>) -> f64 {
    distance(a, &Mat::zeros(a.nrows(), a.ncols()))
}
