//! Operators whose parameters exporters change or swallow.

use super::*;

/// Two PReLUs behind convolutions as the older exporter writes them: slopes laid along the channels, lost names, and
/// one initializer for both, because fresh slopes are equal.
#[test]
fn slopes_laid_along_the_channels_are_found_by_their_scopes() {
    for slopes in [1usize, 6] {
        let mut model = graph(
            vec![
                node("Identity_0", "Identity", &["onnx::PRelu_15"], "onnx::PRelu_16"),
                node("/0/Conv", "Conv", &["x", "0.weight", "0.bias"], "a"),
                node("/1/PRelu", "PRelu", &["a", "onnx::PRelu_15"], "b"),
                node("/2/Conv", "Conv", &["b", "2.weight", "2.bias"], "c"),
                node("/3/PRelu", "PRelu", &["c", "onnx::PRelu_16"], "y"),
            ],
            vec![
                ("0.weight", array(&[6, 1, 3, 3], 1.0)),
                ("0.bias", array(&[6], 2.0)),
                ("2.weight", array(&[6, 6, 3, 3], 3.0)),
                ("2.bias", array(&[6], 4.0)),
                ("onnx::PRelu_15", filled(&[slopes, 1, 1], 0.25)),
            ],
        );
        let moved = tensors(&[
            ("0.weight", array(&[6, 1, 3, 3], 5.0)),
            ("0.bias", array(&[6], 6.0)),
            ("1.weight", array(&[slopes], 7.0)),
            ("2.weight", array(&[6, 6, 3, 3], 8.0)),
            ("2.bias", array(&[6], 9.0)),
            ("3.weight", array(&[slopes], 10.0)),
        ]);
        let placement = place_with(&mut model, &[&moved], &[]).unwrap();
        assert_eq!(binding(&placement, "onnx::PRelu_15"), ("1.weight".into(), false));
        assert_eq!(binding(&placement, "onnx::PRelu_16"), ("3.weight".into(), false));
        assert_eq!(rule(&placement, "3.weight"), PlacedBy::Trace);
    }
}

/// A slope that was computed from its parameter is no slope, as the snapshot that was exported shows.
#[test]
fn a_slope_that_was_computed_is_refused() {
    let mut model = graph(
        vec![
            node("/0/Gemm", "Gemm", &["x", "0.weight", "0.bias"], "a"),
            node("/1/PRelu", "PRelu", &["a", "onnx::PRelu_9"], "y"),
        ],
        vec![
            ("0.weight", array(&[6, 3], 1.0)),
            ("0.bias", array(&[6], 2.0)),
            ("onnx::PRelu_9", filled(&[1, 1], 0.0625)),
        ],
    );
    let own =
        tensors(&[("0.weight", array(&[6, 3], 1.0)), ("0.bias", array(&[6], 2.0)), ("1.weight", filled(&[1], 0.25))]);
    let error = place_with(&mut model, &[&own], &[]).unwrap_err();
    assert_eq!(error.code, "placing::contradiction", "{error}");
}

#[test]
fn control_flow_and_recurrences_are_named_where_they_hold_the_weights() {
    for (op, word) in
        [("Loop", "control flow"), ("If", "control flow"), ("Scan", "control flow"), ("LSTM", "recurrent")]
    {
        let mut model = graph(
            vec![node("/loop", op, &["x"], "h"), node("/o/Gemm", "Gemm", &["h", "o.weight"], "y")],
            vec![("o.weight", array(&[3, 4], 1.0))],
        );
        let snapshot = tensors(&[("n.weight", array(&[4, 4], 2.0)), ("o.weight", array(&[3, 4], 3.0))]);
        let error = place_with(&mut model, &[&snapshot], &[]).unwrap_err();
        assert_eq!(error.code, "placing::operator", "{error}");
        assert!(error.place.contains(op) && error.what.contains(word) && error.what.contains("n.weight"), "{error}");
    }
}

/// The newer exporter merges a normalisation in training mode by its running statistics; the call tells.
#[test]
fn a_merged_normalisation_in_training_mode_is_named() {
    let call = |training: &str| {
        format!(
            "aten._native_batch_norm_legit_functional.default](args = (%linear, %p_1_weight, %p_1_bias, \
             %b_1_running_mean, %b_1_running_var, {training}, 0.1, 1e-05)"
        )
    };
    let with = |training: &str| {
        let mut gemm = traced("Gemm", &["x", "0.weight", "0.bias"], "y", &call(training));
        gemm.metadata.push(("pkg.onnxscript.rewriter.rule_name".into(), "FuseBatchNormIntoGemm".into()));
        graph(vec![gemm], vec![("0.weight", array(&[5, 4], 1.0)), ("0.bias", array(&[5], 2.0))])
    };
    let mut snapshot = vec![("0.weight", array(&[5, 4], 3.0)), ("0.bias", array(&[5], 4.0))];
    snapshot.extend(["1.weight", "1.bias", "1.running_mean", "1.running_var"].map(|n| (n, filled(&[5], 1.0))));
    let snapshot = tensors(&snapshot);
    let error = place_with(&mut with("True"), &[&snapshot], &[]).unwrap_err();
    assert_eq!(error.code, "placing::training", "{error}");
    assert!(error.remedy.contains("model.eval()"));
    assert_ne!(place_with(&mut with("False"), &[&snapshot], &[]).unwrap_err().code, "placing::training");
}

/// Two group norms as the older exporter writes them, with lost names: the fresh ones and zeros are equal, so only the
/// snapshot that was exported, together with the modules that the values stand in, tells which is whose.
#[test]
fn fresh_gains_and_shifts_are_placed_in_their_own_modules() {
    let model = || {
        let norm = |module: &str, input: &str, gain: &str, shift: &str, output: &str| {
            let (a, b) = (format!("{module}a"), format!("{module}b"));
            vec![
                node(&format!("/{module}/InstanceNormalization"), "InstanceNormalization", &[input, "one", "zero"], &a),
                node(&format!("/{module}/Mul"), "Mul", &[&a, gain], &b),
                node(&format!("/{module}/Add"), "Add", &[&b, shift], output),
            ]
        };
        let mut nodes = norm("g", "x", "onnx::Mul_1", "onnx::Add_2", "h");
        nodes.extend(norm("k", "h", "onnx::Mul_3", "onnx::Add_4", "y"));
        let (one, zero) = (filled(&[6, 1, 1], 1.0), filled(&[6, 1, 1], 0.0));
        let stored = vec![
            ("one", filled(&[2], 1.0)),
            ("zero", filled(&[2], 0.0)),
            ("onnx::Mul_1", one.clone()),
            ("onnx::Add_2", zero.clone()),
            ("onnx::Mul_3", one),
            ("onnx::Add_4", zero),
        ];
        graph(nodes, stored)
    };
    let named = |gain: &dyn Fn(f64) -> Array, shift: &dyn Fn(f64) -> Array| {
        tensors(&[("g.weight", gain(1.0)), ("g.bias", shift(2.0)), ("k.weight", gain(3.0)), ("k.bias", shift(4.0))])
    };
    let moved = named(&|seed| array(&[6], seed), &|seed| array(&[6], seed + 9.0));
    let fresh = named(&|_| filled(&[6], 1.0), &|_| filled(&[6], 0.0));
    let placement = place_with(&mut model(), &[&moved], &[&fresh]).unwrap();
    for (initializer, parameter) in
        [("onnx::Mul_1", "g.weight"), ("onnx::Add_2", "g.bias"), ("onnx::Mul_3", "k.weight"), ("onnx::Add_4", "k.bias")]
    {
        assert_eq!(binding(&placement, initializer), (parameter.into(), false));
        assert_eq!(rule(&placement, parameter), PlacedBy::Value);
    }
    // a constant that was computed for Mul may hold anything, so the module alone is not enough
    assert_eq!(place_with(&mut model(), &[&moved], &[]).unwrap_err().code, "placing::unplaced");
}
