//! Fixtures with ground truth, opened through the crate's own readers.

use breakeven::curvature::{Network, Precision, Prepared};
use breakeven::parallel::Threads;
use breakeven::snapshot::array::{Array, Values};
use breakeven::snapshot::decode::Context;
use breakeven::snapshot::folder::{Contained, FileEntry, Folder};
use breakeven::snapshot::limits::{Limits, Meter};
use breakeven::snapshot::loss;
use breakeven::snapshot::onnx_graph::{self, OnnxModel};
use breakeven::snapshot::placing::Binding;
use breakeven::snapshot::weights::{WeightFormat, read};
use faer::Mat;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A fixture folder opened with one of its graphs, parameters in the truth's (state_dict) order.
pub struct Fixture {
    folder: PathBuf,
    order: Vec<String>,
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

/// Arrays of truth that was recomputed with the constants that an export holds (`benches/peers/baked.py`).
pub fn baked(name: &str, file: &str) -> Truth {
    let arrays: HashMap<String, Array> = tensors(&data(name).join("truth").join(file)).into_iter().collect();
    let loss = floats(&arrays["loss"])[0];
    Truth { loss, arrays }
}

/// Reads a weight file.
pub fn tensors(path: &Path) -> Vec<(String, Array)> {
    let bytes = std::fs::read(path).expect("fixture");
    let (limits, meter) = (Limits::default(), Meter::default());
    let context = Context { limits: &limits, meter: &meter };
    let place = path.display().to_string();
    read(WeightFormat::of(&place).expect("format"), &bytes, &place, context).expect("tensors")
}

/// Reads a graph.
pub fn graph(folder: &Path, name: &str) -> OnnxModel {
    let path = folder.join(name);
    let (limits, meter) = (Limits::default(), Meter::default());
    let context = Context { limits: &limits, meter: &meter };
    let listed = Folder::list(folder).expect("folder");
    let entry = FileEntry::on_disk(name, path.clone());
    let mut external = Contained::beside(&listed, &entry, &limits);
    let bytes = std::fs::read(&path).expect("graph");
    onnx_graph::read(&bytes, name, context, &mut external).expect("graph")
}

fn floats(array: &Array) -> &[f64] {
    match &array.values {
        Values::Float(x) => x,
        _ => &[],
    }
}

/// Places parameters by value, independently of the crate's own rules: the graph holds the weights of one snapshot.
fn place(model: &OnnxModel, own: &[(String, Array)]) -> Vec<Binding> {
    let mut bindings = Vec::new();
    for (parameter, array) in own {
        let plain = floats(array);
        let turned: Option<Vec<f64>> = match array.shape[..] {
            [r, c] if r > 1 && c > 1 => Some((0..r * c).map(|i| plain[(i % r) * c + i / r]).collect()),
            _ => None,
        };
        let mut found = 0;
        for (initializer, stored) in &model.initializers {
            let stored_shape: Vec<usize> = stored.shape.iter().copied().filter(|&n| n != 1).collect();
            let shape: Vec<usize> = array.shape.iter().copied().filter(|&n| n != 1).collect();
            let transposed = if floats(stored) == plain && stored_shape == shape {
                false
            } else if turned.as_deref() == Some(floats(stored)) && stored_shape.iter().rev().eq(&shape) {
                true
            } else {
                continue;
            };
            // equal values under another parameter's name are that parameter's
            if own.iter().any(|(n, _)| n == initializer && n != parameter) {
                continue;
            }
            found += 1;
            bindings.push(Binding { parameter: parameter.clone(), initializer: initializer.clone(), transposed });
        }
        assert!(found > 0, "{parameter} has no place");
    }
    bindings
}

impl Fixture {
    pub fn open(name: &str, graph_name: &str) -> Self {
        Self::open_with(name, graph_name, |_| {})
    }

    /// As `open`, the graph changed after its parameters were placed.
    pub fn open_with(name: &str, graph_name: &str, change: impl FnOnce(&mut OnnxModel)) -> Self {
        let folder = data(name);
        let truth: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.join("truth/truth.json")).expect("truth")).expect("json");
        let order: Vec<String> =
            truth["parameters"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap().to_string()).collect();
        let mut model = graph(&folder, graph_name);
        let own = truth["onnx"]["weights_of"].as_str().unwrap();
        let own = ordered(tensors(&folder.join(format!("{own}.safetensors"))), &order);
        let bindings = place(&model, &own);
        change(&mut model);
        let batch = tensors(&folder.join("batch.npz"));
        let target = batch.iter().find(|(n, _)| n == "y").map(|(_, a)| a);
        let json = std::fs::read(folder.join("loss.json")).expect("loss");
        let loss = loss::read(Some(&json), "loss.json", target).expect("loss");
        let shapes: Vec<(String, Vec<usize>)> = own.iter().map(|(n, a)| (n.clone(), a.shape.clone())).collect();
        let network = Arc::new(Network::new(&model, &bindings, &shapes, &batch, &loss).expect("lowering"));
        Fixture { folder, order, truth, network }
    }

    pub fn snapshots(&self) -> Vec<String> {
        self.truth["snapshots"].as_object().unwrap().keys().cloned().collect()
    }

    pub fn prepared<'t>(&self, snapshot: &str, precision: Precision, threads: &'t Threads) -> Prepared<'t> {
        let params = ordered(tensors(&self.folder.join(format!("{snapshot}.safetensors"))), &self.order);
        Prepared::new(self.network.clone(), &params, precision, threads).expect("prepared")
    }

    /// The parameter values of a snapshot.
    pub fn values(&self, snapshot: &str) -> Vec<Vec<f64>> {
        let params = ordered(tensors(&self.folder.join(format!("{snapshot}.safetensors"))), &self.order);
        params.iter().map(|(_, a)| floats(a).to_vec()).collect()
    }

    pub fn truth(&self, snapshot: &str) -> Truth {
        let arrays = tensors(&self.folder.join(format!("truth/{snapshot}.npz"))).into_iter().collect();
        Truth { loss: self.truth["snapshots"][snapshot]["loss"].as_f64().unwrap(), arrays }
    }
}

fn ordered(mut params: Vec<(String, Array)>, order: &[String]) -> Vec<(String, Array)> {
    params.sort_by_key(|(n, _)| order.iter().position(|o| o == n));
    params
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
