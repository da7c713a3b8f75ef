//! The fixtures: real exports of six networks, placed, in three formats, by both exporters.

use breakeven::snapshot::array::{Array, Values};
use breakeven::snapshot::placing::PlacedBy;
use breakeven::snapshot::{Input, OpenOptions, RunInput, open};
use std::path::{Path, PathBuf};

const NETWORKS: [&str; 6] =
    ["mlp_relu_digits", "mlp_tanh_digits", "mlp_relu_small", "cnn_digits", "bert_char", "gpt_char"];
const GRAPHS: [&str; 2] = ["model_legacy17.onnx", "model_dynamo18.onnx"];

pub fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

pub fn open_run(folder: &Path, graph: &str, glob: &str) -> breakeven::error::Result<RunInput> {
    let options = OpenOptions { graph: Some(graph.into()), snapshots: Some(glob.to_owned()), ..OpenOptions::default() };
    match open(folder, &options)? {
        Input::Run(run) => Ok(*run),
        Input::Matrix(_) => panic!("{} is a run", folder.display()),
    }
}

fn truth(name: &str) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(data().join(name).join("truth/truth.json")).unwrap()).unwrap()
}

/// The value of the graph that a binding feeds.
fn stored<'a>(run: &'a RunInput, name: &str) -> &'a Array {
    &run.model.initializers.iter().find(|(n, _)| n == name).unwrap().1
}

fn transposed(array: &Array) -> Array {
    let (&[rows, columns], Values::Float(v)) = (&array.shape[..], &array.values) else { panic!("not a matrix") };
    let turned = (0..columns).flat_map(|j| (0..rows).map(move |i| v[i * columns + j])).collect();
    Array { dtype: array.dtype, shape: vec![columns, rows], values: Values::Float(turned) }
}

/// Every binding must reproduce the graph's own weights from the snapshot that it was exported with.
pub fn check_against_reference(run: &RunInput, reference: &str) {
    let snapshot = run.snapshots.iter().find(|s| s.name == reference).unwrap();
    for binding in &run.bindings {
        let own = &snapshot.params.iter().find(|(n, _)| *n == binding.parameter).unwrap().1;
        let own = if binding.transposed { transposed(own) } else { own.clone() };
        assert_eq!(own.first_difference(stored(run, &binding.initializer)), None, "{binding:?}");
    }
}

#[test]
fn every_parameter_is_placed_in_every_export() {
    for name in NETWORKS {
        let truth = truth(name);
        for (graph, exporter) in GRAPHS.iter().zip(["legacy17", "dynamo18"]) {
            let run = open_run(&data().join(name), graph, "*").unwrap();
            assert_eq!(run.n as u64, truth["N"].as_u64().unwrap(), "{name} {graph}");
            assert_eq!(run.snapshots.len(), truth["snapshots"].as_object().unwrap().len());
            // First use by the graph is the order of the state_dict in these networks.
            let expected: Vec<(String, Vec<usize>)> = truth["parameters"]
                .as_array()
                .unwrap()
                .iter()
                .map(|p| {
                    let shape = p["shape"].as_array().unwrap();
                    let shape = shape.iter().map(|s| s.as_u64().unwrap() as usize).collect();
                    (p["name"].as_str().unwrap().to_owned(), shape)
                })
                .collect();
            let found: Vec<(String, Vec<usize>)> =
                run.parameters.iter().map(|p| (p.name.clone(), p.shape.clone())).collect();
            assert_eq!(found, expected, "{name} {graph}");
            // Names that the exporter lost are placed by other rules, and no others.
            let missing = &truth["onnx"][exporter]["state_dict_names_missing_from_initializers"];
            for parameter in &run.parameters {
                let lost = missing.as_array().unwrap().iter().any(|m| *m == parameter.name.as_str());
                assert_eq!(parameter.placed_by != PlacedBy::Name, lost, "{name} {graph} {}", parameter.name);
            }
            check_against_reference(&run, truth["onnx"]["weights_of"].as_str().unwrap());
            assert!(run.constants.iter().all(|c| stored(&run, c).shape.iter().product::<usize>() == 1));
        }
    }
}

#[test]
fn tied_weights_feed_two_values() {
    for graph in GRAPHS {
        let run = open_run(&data().join("gpt_char"), graph, "adam*").unwrap();
        let wte = run.parameters.iter().find(|p| p.name == "wte.weight").unwrap();
        let bindings: Vec<bool> =
            run.bindings.iter().filter(|b| b.parameter == "wte.weight").map(|b| b.transposed).collect();
        if graph.contains("dynamo") {
            assert_eq!(bindings, [false, true], "{graph}");
            assert_eq!(wte.initializers, ["wte.weight", "permute"]);
        } else {
            assert!(!bindings.is_empty() && !bindings[0]);
        }
    }
}

#[test]
fn all_formats_give_the_same_bits() {
    for name in NETWORKS {
        let folder = data().join(name);
        let mut compared = 0;
        let names: Vec<String> = std::fs::read_dir(&folder)
            .unwrap()
            .filter_map(|e| e.unwrap().file_name().into_string().ok())
            .filter(|n| !n.starts_with("batch"))
            .collect();
        let all = open_run(&folder, GRAPHS[0], "*").unwrap();
        for snapshot in &all.snapshots {
            for extension in ["npz", "safetensors", "pt"] {
                let file = format!("{}.{extension}", snapshot.name);
                if !names.contains(&file) {
                    continue;
                }
                let alone = open_run(&folder, GRAPHS[0], &file).unwrap();
                let [one] = &alone.snapshots[..] else { panic!("{file}") };
                assert_eq!(one.file, file);
                assert_eq!(one.params, snapshot.params, "{file}");
                assert_eq!(alone.bindings, all.bindings);
                assert_eq!((&one.series, one.step), (&snapshot.series, snapshot.step));
                compared += 1;
            }
        }
        assert!(compared >= all.snapshots.len(), "{name}");
    }
}

#[test]
fn one_file_takes_its_folder() {
    let folder = data().join("bert_char");
    let options = OpenOptions { graph: Some("model_legacy17.onnx".into()), ..OpenOptions::default() };
    let Input::Run(run) = open(&folder.join("sgd_0300.pt"), &options).unwrap() else { panic!() };
    assert_eq!(run.snapshots.len(), 1);
    assert_eq!((run.snapshots[0].series.as_str(), run.snapshots[0].step), ("sgd_", Some(300)));
    assert_eq!(run.loss.ignore_index, Some(-100));
    assert_eq!(run.name, "bert_char");
    // The digest list names every file that was read, and BLAKE3 of the chosen one.
    let digest = blake3::hash(&std::fs::read(folder.join("sgd_0300.pt")).unwrap()).to_hex().to_string();
    assert!(run.digests.contains(&("sgd_0300.pt".to_owned(), digest)));
    assert!(run.digests.iter().any(|(n, _)| n == "model_legacy17.onnx"));
}

#[test]
fn several_graphs_are_listed() {
    let error = open(&data().join("bert_char"), &OpenOptions::default()).unwrap_err();
    assert_eq!(error.class, breakeven::error::Class::Input);
    assert!(error.what.contains("model_dynamo18.onnx, model_legacy17.onnx"), "{error}");
    assert!(error.remedy.contains("--graph"));
}

#[test]
fn without_the_exported_snapshot_traces_place_what_they_can_and_the_rest_is_refused() {
    for name in ["bert_char", "gpt_char"] {
        let reference = truth(name)["onnx"]["weights_of"].as_str().unwrap().to_owned();
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(data().join(name)).unwrap() {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_str().unwrap();
            if path.is_file() && !file.starts_with(&reference) {
                std::fs::copy(&path, folder.path().join(file)).unwrap();
            }
        }
        for graph in GRAPHS {
            let position = if name == "bert_char" { "pos.weight" } else { "wpe.weight" };
            match open_run(folder.path(), graph, "*") {
                // The square position table has lost its name and its trace: either way round it would fit.
                Err(error) => {
                    assert!(graph.contains("legacy"));
                    assert!(error.what.contains(position), "{graph}: {error}");
                    assert_eq!(error.code, "placing::unplaced");
                }
                // The newer exporter says that it is a looked-up table, and it is the only tensor left.
                Ok(run) => {
                    assert!(graph.contains("dynamo"));
                    let with = open_run(&data().join(name), graph, "*").unwrap();
                    assert_eq!(run.bindings, with.bindings);
                    let rule = |name: &str| run.parameters.iter().find(|p| p.name == name).unwrap().placed_by;
                    assert_eq!(rule(position), PlacedBy::Shape);
                }
            }
        }
    }
}
