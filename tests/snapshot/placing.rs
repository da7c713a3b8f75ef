//! Placing on real exports of fresh models: what the exporters merge, drop, fold and tie.

use super::fixtures::{check_against_reference, data, open_run};
use breakeven::curvature::{Precision, prepare};
use breakeven::parallel::Threads;
use breakeven::snapshot::array::Values;
use breakeven::snapshot::onnx_graph::Attribute;
use breakeven::snapshot::placing::PlacedBy;
use breakeven::snapshot::{Input, OpenOptions, RunInput, open};

fn open_export(name: &str) -> RunInput {
    open_run(&data().join("placing").join(name), "model.onnx", "*").unwrap()
}

/// The same run without the snapshot that holds the graph's own weights.
fn open_without_reference(name: &str) -> breakeven::error::Result<RunInput> {
    let folder = tempfile::tempdir().unwrap();
    for file in ["model.onnx", "batch.npz", "sgd_0010.npz"] {
        std::fs::copy(data().join("placing").join(name).join(file), folder.path().join(file)).unwrap();
    }
    open_run(folder.path(), "model.onnx", "*")
}

fn rule(run: &RunInput, name: &str) -> PlacedBy {
    run.parameters.iter().find(|p| p.name == name).unwrap().placed_by
}

#[test]
fn every_binding_reproduces_the_exported_weights() {
    for (name, n) in [
        ("gpt_tied_legacy", 1368),
        ("gpt_tied_dynamo", 1368),
        ("deepcopy_legacy", 1227),
        ("nofold_bn_legacy", 50),
        ("mha_dynamo", 315),
        ("llama_dynamo", 1368),
        ("twice_legacy", 48),
        ("vit_legacy", 819),
    ] {
        let run = open_export(name);
        assert_eq!(run.n, n, "{name}");
        check_against_reference(&run, "init_0000");
        // One place each at least, and no initializer fed twice.
        for parameter in &run.parameters {
            assert!(!parameter.initializers.is_empty(), "{name} {}", parameter.name);
        }
        let mut fed: Vec<&str> = run.bindings.iter().map(|b| b.initializer.as_str()).collect();
        fed.sort_unstable();
        fed.dedup();
        assert_eq!(fed.len(), run.bindings.len(), "{name}");
    }
}

#[test]
fn places_do_not_depend_on_having_the_exported_snapshot() {
    for name in ["gpt_tied_dynamo", "mha_dynamo", "llama_dynamo", "vit_legacy"] {
        let (with, without) = (open_export(name), open_without_reference(name).unwrap());
        assert_eq!(with.bindings, without.bindings, "{name}");
    }
    // Its 8x8 position table was an embedding looked up by the exporter, which leaves no trace of which way round.
    let (with, without) = (open_export("gpt_tied_legacy"), open_without_reference("gpt_tied_legacy"));
    match without {
        Ok(run) => assert_eq!(run.bindings, with.bindings),
        Err(error) => assert!(error.what.contains("wpe.weight"), "{error}"),
    }
}

#[test]
fn tied_tensors_count_once_and_copies_twice() {
    for name in ["gpt_tied_legacy", "gpt_tied_dynamo"] {
        let run = open_export(name);
        let tied = run.parameters.iter().find(|p| p.name == "wte.weight").unwrap();
        assert_eq!(tied.aliases, ["lm_head.weight"]);
        assert!(!run.parameters.iter().any(|p| p.name == "lm_head.weight"));
        let ways: Vec<bool> =
            run.bindings.iter().filter(|b| b.parameter == "wte.weight").map(|b| b.transposed).collect();
        assert_eq!(ways, [false, true], "{name}");
        assert!(run.snapshots.iter().all(|s| s.params.len() == run.parameters.len()));
    }
    // Encoder layers that begin as copies of each other are equal in their only snapshot, but not tied.
    let run = open_export("deepcopy_legacy");
    assert!(run.parameters.iter().all(|p| p.aliases.is_empty()));
    // One layer used twice is folded twice and stays one parameter.
    let run = open_export("twice_legacy");
    let twice = run.parameters.iter().find(|p| p.name == "a.weight").unwrap();
    assert_eq!(twice.initializers.len(), 2);
}

#[test]
fn merged_and_dropped_parameters_come_back() {
    let run = open_export("gpt_tied_dynamo");
    // Every fresh bias was zero, so the exporter kept one of them; each feeds its own initializer again.
    for name in ["h.0.ln1.bias", "h.1.ln2.bias", "h.1.attn.q.bias", "ln_f.bias"] {
        assert_eq!(rule(&run, name), PlacedBy::Name);
        let parameter = run.parameters.iter().find(|p| p.name == name).unwrap();
        assert_eq!(parameter.initializers, [name]);
    }
    let run = open_export("mha_dynamo");
    let gemm = run.model.nodes.iter().find(|n| n.op_type == "Gemm").unwrap();
    assert_eq!(gemm.inputs[2], "att.out_proj.bias");
    // The older exporter leaves Identity nodes; the counts tell what the file has.
    let run = open_export("gpt_tied_legacy");
    assert!(run.operators["Identity"] > 10);
    assert!(!run.model.nodes.iter().any(|n| n.op_type == "Identity"));
}

#[test]
fn tables_and_masks_are_constants() {
    let run = open_export("llama_dynamo");
    for constant in ["cos", "sin", "triu"] {
        assert!(run.constants.iter().any(|c| c == constant), "{:?}", run.constants);
    }
}

/// The loss of the first snapshot of a run.
fn loss(run: &RunInput) -> f64 {
    let threads = Threads::new(1).unwrap();
    let params = &run.snapshots[0].params;
    let mut batch = run.batch.inputs.clone();
    batch.extend(run.batch.target.clone());
    let prepared = prepare(&run.model, &run.bindings, params, &batch, &run.loss, Precision::F64, &threads).unwrap();
    prepared.loss_and_gradient().0
}

/// A normalisation merged into the convolution before it comes back where the exported snapshot reproduces the merged
/// values, and the map serves the snapshots that moved; the loss is that of the graph as it was exported.
#[test]
fn merged_normalisations_are_taken_apart() {
    let folder = data().join("placing/bn_legacy");
    let exported = open_run(&folder, "model.onnx", "init*").unwrap();
    assert_eq!(exported.n, 30 + 12 + 8);
    assert!(exported.parameters.iter().all(|p| p.placed_by == PlacedBy::Name));
    let alone = tempfile::tempdir().unwrap();
    for file in ["model.onnx", "batch.npz"] {
        std::fs::copy(folder.join(file), alone.path().join(file)).unwrap();
    }
    let Ok(Input::Run(merged)) = open(alone.path(), &OpenOptions::default()) else { panic!("own weights") };
    let (apart, merged) = (loss(&exported), loss(&merged));
    assert!((apart - merged).abs() <= 1e-6 * merged, "{apart} for {merged}");

    // written down here: convolution, normalisation, ReLU, mean, linear, cross-entropy
    let run = open_run(&folder, "model.onnx", "sgd*").unwrap();
    let of = |name: &str| run.snapshots[0].params.iter().find(|(n, _)| n == name).unwrap().1.floats().unwrap().to_vec();
    let (w, b, gain, shift) = (of("c.weight"), of("c.bias"), of("bn.weight"), of("bn.bias"));
    let (mean, variance, f, f_bias) = (of("bn.running_mean"), of("bn.running_var"), of("f.weight"), of("f.bias"));
    let x = run.batch.inputs[0].1.floats().unwrap().to_vec();
    let Some((_, target)) = &run.batch.target else { panic!("a target") };
    let Values::Int(y) = &target.values else { panic!("classes") };
    let padded = merged_shape(&run);
    let mut total = 0.0;
    for (sample, &class) in y.iter().enumerate() {
        let mut pooled = [0.0; 3];
        for (c, pooled) in pooled.iter_mut().enumerate() {
            let (rows, pad) = padded;
            for i in 0..rows {
                for j in 0..rows {
                    let mut z = b[c];
                    for (k, wk) in w[9 * c..9 * c + 9].iter().enumerate() {
                        let (r, s) = ((i + k / 3) as i64 - pad, (j + k % 3) as i64 - pad);
                        if (0..8).contains(&r) && (0..8).contains(&s) {
                            z += wk * x[sample * 64 + (r * 8 + s) as usize];
                        }
                    }
                    let z = (z - mean[c]) / (variance[c] + f64::from(1e-5f32)).sqrt() * gain[c] + shift[c];
                    *pooled += z.max(0.0) / (rows * rows) as f64;
                }
            }
        }
        let z: Vec<f64> = (0..2).map(|o| f_bias[o] + (0..3).map(|c| f[3 * o + c] * pooled[c]).sum::<f64>()).collect();
        total += z.iter().map(|v| v.exp()).sum::<f64>().ln() - z[class as usize];
    }
    let expected = total / y.len() as f64;
    assert!((loss(&run) - expected).abs() <= 1e-12 * expected, "{} for {expected}", loss(&run));
}

/// Rows of the convolution's output and its padding.
fn merged_shape(run: &RunInput) -> (usize, i64) {
    let conv = run.model.nodes.iter().find(|n| n.op_type == "Conv").unwrap();
    let pad = conv.attributes.iter().find_map(|(n, v)| match v {
        Attribute::Ints(pads) if n == "pads" => Some(pads[0]),
        _ => None,
    });
    let pad = pad.unwrap_or(0);
    ((8 + 2 * pad - 2) as usize, pad)
}

#[test]
fn what_was_folded_into_weights_is_refused() {
    let folder = data().join("placing");
    // nothing tells what was merged without the snapshot that was exported
    let error = open_without_reference("bn_legacy").unwrap_err();
    assert_eq!(error.code, "placing::unplaced");
    assert!(error.remedy.contains("TrainingMode.PRESERVE"), "{error}");
    let error = open_run(&folder.join("scaled_legacy"), "model.onnx", "*").unwrap_err();
    assert_eq!(error.code, "placing::contradiction", "{error}");
    assert!(error.what.contains("a.weight"));
}

#[test]
fn a_graph_without_snapshots_is_analysed_with_its_own_weights() {
    // The position table of gpt (64), and the class token, position table and gain of vit (56), stand where plain
    // constants stand and bear no parameter's name.
    for (name, n) in [("gpt_tied_dynamo", 1304), ("mha_dynamo", 315), ("twice_legacy", 48), ("vit_legacy", 763)] {
        let folder = tempfile::tempdir().unwrap();
        for file in ["model.onnx", "batch.npz"] {
            std::fs::copy(data().join("placing").join(name).join(file), folder.path().join(file)).unwrap();
        }
        let Ok(Input::Run(run)) = open(folder.path(), &OpenOptions::default()) else { panic!("{name}") };
        assert_eq!(run.snapshots.len(), 1);
        assert_eq!((run.snapshots[0].file.as_str(), run.snapshots[0].step), ("model.onnx", None));
        assert_eq!(run.n, n, "{name}");
        for binding in &run.bindings {
            let own = &run.snapshots[0].params.iter().find(|(p, _)| *p == binding.parameter).unwrap().1;
            let stored = &run.model.initializers.iter().find(|(i, _)| *i == binding.initializer).unwrap().1;
            let (plain, turned) = breakeven::snapshot::placing::names::equality(own, stored);
            assert!(if binding.transposed { turned } else { plain }, "{binding:?}");
        }
    }
}
