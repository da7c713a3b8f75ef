//! The fixtures: names, shapes and values of what was trained.

use breakeven::snapshot::{Input, OpenOptions, RunInput, open};
use std::path::{Path, PathBuf};

pub fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

pub fn open_run(name: &str, graph: &str, glob: &str) -> breakeven::error::Result<RunInput> {
    let options = OpenOptions { graph: Some(graph.into()), snapshots: Some(glob.to_owned()), ..OpenOptions::default() };
    match open(&data().join(name), &options)? {
        Input::Run(run) => Ok(*run),
        Input::Matrix(_) => panic!("{name} is a run"),
    }
}

#[test]
fn multilayer_perceptrons_are_placed_by_name() {
    for name in ["mlp_relu_digits", "mlp_tanh_digits", "mlp_relu_small", "cnn_digits"] {
        let truth: serde_json::Value =
            serde_json::from_slice(&std::fs::read(data().join(name).join("truth/truth.json")).unwrap()).unwrap();
        for graph in ["model_legacy17.onnx", "model_dynamo18.onnx"] {
            let run = open_run(name, graph, "*").unwrap();
            let expected: Vec<(&str, usize)> = truth["parameters"]
                .as_array()
                .unwrap()
                .iter()
                .map(|p| (p["name"].as_str().unwrap(), p["size"].as_u64().unwrap() as usize))
                .collect();
            let found: Vec<(&str, usize)> =
                run.snapshots[0].params.iter().map(|(n, a)| (n.as_str(), a.len())).collect();
            assert_eq!(found, expected, "{name} {graph}");
            assert_eq!(run.n as u64, truth["N"].as_u64().unwrap());
            assert_eq!(run.snapshots.len(), truth["snapshots"].as_object().unwrap().len());
        }
    }
}
