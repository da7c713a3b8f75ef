//! Losses by their formulas, and refusals by operator, node and remedy.

use breakeven::curvature::{Block, Network, Precision, Prepared, SymmetricOperator, prepare};
use breakeven::error::{Class, Error, Result};
use breakeven::parallel::Threads;
use breakeven::snapshot::array::{Array, Dtype, Values};
use breakeven::snapshot::loss::{LossKind, LossSpec, Reduction};
use breakeven::snapshot::onnx_graph::{Attribute, OnnxModel, OnnxNode, OnnxValue};
use breakeven::snapshot::placing::Binding;

fn floats(shape: &[usize], f: impl Fn(usize) -> f64) -> Array {
    let n = shape.iter().product();
    Array { dtype: Dtype::F64, shape: shape.to_vec(), values: Values::Float((0..n).map(f).collect()) }
}

fn ints(shape: &[usize], x: &[i64]) -> Array {
    Array { dtype: Dtype::I64, shape: shape.to_vec(), values: Values::Int(x.to_vec()) }
}

fn node(op: &str, inputs: &[&str], output: &str, attributes: &[(&str, Attribute)]) -> OnnxNode {
    OnnxNode {
        name: format!("the_{}", op.to_lowercase()),
        op_type: op.into(),
        domain: String::new(),
        inputs: inputs.iter().map(|s| s.to_string()).collect(),
        outputs: vec![output.into()],
        attributes: attributes.iter().map(|(n, a)| (n.to_string(), a.clone())).collect(),
        metadata: Vec::new(),
    }
}

fn value(name: &str, shape: Option<Vec<Option<usize>>>) -> OnnxValue {
    OnnxValue { name: name.into(), elem: None, shape }
}

/// x·w → nodes → y, w of extents [2, 3].
fn model(nodes: Vec<OnnxNode>) -> OnnxModel {
    OnnxModel {
        ir_version: 8,
        opset: 17,
        nodes,
        initializers: vec![("w".into(), floats(&[2, 3], wave))],
        inputs: vec![value("x", Some(vec![None, Some(2)]))],
        outputs: vec![value("out", None)],
        metadata: Vec::new(),
    }
}

fn wave(i: usize) -> f64 {
    (1.7 * i as f64 + 0.3).sin()
}

fn linear() -> OnnxModel {
    model(vec![node("MatMul", &["x", "w"], "out", &[])])
}

fn spec(kind: LossKind) -> LossSpec {
    LossSpec { kind, reduction: Reduction::Mean, ignore_index: None, label_smoothing: 0.0 }
}

fn x() -> Array {
    floats(&[4, 2], |i| wave(i + 20))
}

fn open<'t>(model: &OnnxModel, y: Option<Array>, loss: &LossSpec, threads: &'t Threads) -> Result<Prepared<'t>> {
    let params: Vec<(String, Array)> = model.initializers.iter().filter(|(n, _)| n == "w").cloned().collect();
    let bindings = [Binding { parameter: "w".into(), initializer: "w".into(), transposed: false }];
    let mut batch = vec![("x".to_string(), x())];
    batch.extend(y.map(|y| ("y".to_string(), y)));
    prepare(model, &bindings, &params, &batch, loss, Precision::F64, threads)
}

fn refusal(model: &OnnxModel, y: Option<Array>, loss: &LossSpec) -> Error {
    open(model, y, loss, &Threads::new(1).unwrap()).expect_err("a refusal")
}

/// Outputs of the linear model, [4][3].
fn outputs() -> Vec<Vec<f64>> {
    let (x, w): (Vec<f64>, Vec<f64>) = ((0..8).map(|i| wave(i + 20)).collect(), (0..6).map(wave).collect());
    (0..4).map(|r| (0..3).map(|c| x[2 * r] * w[c] + x[2 * r + 1] * w[3 + c]).collect()).collect()
}

fn log_softmax(z: &[f64], c: usize) -> f64 {
    z[c] - z.iter().map(|v| v.exp()).sum::<f64>().ln()
}

#[test]
fn losses_by_their_formulas() {
    let threads = Threads::new(1).unwrap();
    let z = outputs();
    let close = |what: &str, prepared: Prepared<'_>, expected: f64| {
        let loss = prepared.loss_and_gradient().0;
        assert!((loss - expected).abs() <= 1e-14 * expected.abs().max(1.0), "{what}: {loss} instead of {expected}");
    };
    let y = [2i64, -100, 0, 1];
    let kept = [(0, 2), (2, 0), (3, 1)];
    let mut loss = spec(LossKind::CrossEntropy);
    loss.ignore_index = Some(-100);
    let nll: f64 = kept.iter().map(|&(p, c)| -log_softmax(&z[p], c)).sum();
    close("ignore_index, mean", open(&linear(), Some(ints(&[4], &y)), &loss, &threads).unwrap(), nll / 3.0);
    loss.reduction = Reduction::Sum;
    close("ignore_index, sum", open(&linear(), Some(ints(&[4], &y)), &loss, &threads).unwrap(), nll);
    loss.reduction = Reduction::Mean;
    loss.label_smoothing = 0.2;
    let uniform: f64 = kept.iter().map(|&(p, _)| -(0..3).map(|c| log_softmax(&z[p], c)).sum::<f64>() / 3.0).sum();
    let smoothed = (0.8 * nll + 0.2 * uniform) / 3.0;
    close("label smoothing", open(&linear(), Some(ints(&[4], &y)), &loss, &threads).unwrap(), smoothed);

    let t = floats(&[4, 3], |i| wave(i + 50));
    let squares: f64 = (0..12).map(|i| (z[i / 3][i % 3] - wave(i + 50)).powi(2)).sum();
    close("mse", open(&linear(), Some(t.clone()), &spec(LossKind::Mse), &threads).unwrap(), squares / 12.0);
    let bit = |i: usize| f64::from(i % 3 == 1);
    let bce: f64 = (0..12)
        .map(|i| {
            let p = 1.0 / (1.0 + (-z[i / 3][i % 3]).exp());
            -(bit(i) * p.ln() + (1.0 - bit(i)) * (1.0 - p).ln())
        })
        .sum();
    let mut loss = spec(LossKind::BceWithLogits);
    close("bce", open(&linear(), Some(floats(&[4, 3], bit)), &loss, &threads).unwrap(), bce / 12.0);
    loss.reduction = Reduction::Sum;
    close("bce, sum", open(&linear(), Some(floats(&[4, 3], bit)), &loss, &threads).unwrap(), bce);

    let scalar = model(vec![
        node("MatMul", &["x", "w"], "z", &[]),
        node("Mul", &["z", "z"], "q", &[]),
        node("ReduceMean", &["q"], "out", &[("keepdims", Attribute::Int(0))]),
    ]);
    let mean: f64 = z.iter().flatten().map(|v| v * v).sum::<f64>() / 12.0;
    let prepared = open(&scalar, None, &spec(LossKind::Output), &threads).unwrap();
    let block = Block::full(prepared.network().params());
    // a graph that is its own loss has neither outputs nor samples
    assert!(prepared.gauss_newton(&block).is_err());
    assert!(prepared.empirical_fisher(&block).is_err());
    close("output", prepared, mean);
}

/// Per-sample gradients by a batch of that sample alone, for outputs with positions and ignored targets.
#[test]
fn fisher_of_samples_with_positions() {
    let threads = Threads::new(2).unwrap();
    let mut model = linear();
    model.inputs = vec![value("x", None)];
    let params = vec![("w".to_string(), floats(&[2, 3], wave))];
    let bindings = [Binding { parameter: "w".into(), initializer: "w".into(), transposed: false }];
    let (samples, positions) = (3, 4);
    let y = [0i64, 2, -1, 1, -1, -1, 2, 0, 1, 1, 0, 2];
    let mut loss = spec(LossKind::CrossEntropy);
    loss.ignore_index = Some(-1);
    let at = |from: usize, count: usize, loss: &LossSpec| {
        let x = floats(&[count, positions, 2], |i| wave(i + from * positions * 2 + 7));
        let y = ints(&[count, positions], &y[from * positions..(from + count) * positions]);
        let batch = [("x".to_string(), x), ("y".to_string(), y)];
        prepare(&model, &bindings, &params, &batch, loss, Precision::F64, &threads).unwrap()
    };
    let whole = at(0, samples, &loss);
    let block = Block::full(whole.network().params());
    let fisher = whole.empirical_fisher(&block).unwrap().to_dense().unwrap();
    let mut sum = loss.clone();
    sum.reduction = Reduction::Sum;
    let counted = y.iter().filter(|&&c| c != -1).count() as f64;
    let mut expected = faer::Mat::<f64>::zeros(6, 6);
    let mut mean = [0.0; 6];
    for s in 0..samples {
        // n·(the sample's share of the batch loss)
        let alone = at(s, 1, &sum);
        let g: Vec<f64> = alone.loss_and_gradient().1.iter().map(|v| v * samples as f64 / counted).collect();
        for i in 0..6 {
            mean[i] += g[i] / samples as f64;
            for j in 0..6 {
                expected[(i, j)] += g[i] * g[j] / samples as f64;
            }
        }
    }
    assert!(super::fixture::distance(&fisher, &expected) <= 1e-15 * super::fixture::top(&expected).max(1.0));
    assert!(super::fixture::relative(&mean, whole.loss_and_gradient().1) <= 1e-14);
    // the factor has the rank of the samples
    let factor = whole.empirical_fisher(&block).unwrap().low_rank().unwrap().expect("fewer samples than parameters");
    assert!(super::fixture::distance(&(&factor * factor.transpose()), &expected) <= 1e-15);
}

#[test]
fn operators_are_refused_by_name_node_and_remedy() {
    let mse = spec(LossKind::Mse);
    let y = || Some(floats(&[4, 3], wave));
    let after = |op: &str, more: &[&str], attributes: &[(&str, Attribute)]| {
        let inputs: Vec<&str> = ["z"].iter().chain(more).copied().collect();
        let mut m = model(vec![node("MatMul", &["x", "w"], "z", &[]), node(op, &inputs, "out", attributes)]);
        m.initializers
            .push(("yes".into(), Array { dtype: Dtype::Bool, shape: vec![], values: Values::Bool(vec![true]) }));
        m.initializers.push(("half".into(), floats(&[], |_| 0.5)));
        m.initializers.push(("one".into(), ints(&[1], &[9])));
        m.initializers.push(("v".into(), floats(&[3], |_| 0.5)));
        m
    };
    for (model, words) in [
        (after("If", &[], &[("then_branch", Attribute::Graph)]), ["If", "the_if", "control flow"]),
        (after("Loop", &[], &[]), ["Loop", "the_loop", "control flow"]),
        (after("RandomNormalLike", &[], &[]), ["RandomNormalLike", "the_random", "eval()"]),
        (after("Dropout", &["half", "yes"], &[]), ["Dropout", "the_dropout", "eval()"]),
        (
            after("BatchNormalization", &["v", "v", "v", "v"], &[("training_mode", Attribute::Int(1))]),
            ["BatchNormalization", "the_batch", "eval()"],
        ),
        (after("LSTM", &[], &[]), ["LSTM", "the_lstm", "unroll"]),
        (after("Frobnicate", &[], &[]), ["Frobnicate", "the_frobnicate", "docs/operators.md"]),
        (after("Tanh", &[], &[("speed", Attribute::Int(3))]), ["Tanh", "the_tanh", "speed"]),
        (after("Cast", &[], &[("to", Attribute::Int(7))]), ["Cast", "the_cast", "integers"]),
        (after("Expand", &["z"], &[]), ["Expand", "the_expand", "known integers"]),
        (after("Gather", &["one"], &[]), ["Gather", "the_gather", "index 9"]),
        (after("Tanh", &[], &[]), ["", "", ""]),
    ] {
        if words[0].is_empty() {
            assert!(open(&model, y(), &mse, &Threads::new(1).unwrap()).is_ok());
            continue;
        }
        let error = refusal(&model, y(), &mse);
        assert_eq!(error.class, Class::Input, "{error}");
        for word in words {
            assert!(error.to_string().contains(word), "{word} is missing in: {error}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let cross = spec(LossKind::CrossEntropy);
    let mse = spec(LossKind::Mse);
    let check = |what: &str, error: Error, word: &str| {
        assert_eq!(error.class, Class::Input, "{what}: {error}");
        assert!(error.to_string().contains(word), "{what}: {error}");
    };
    check("class", refusal(&linear(), Some(ints(&[4], &[0, 1, 3, 0])), &cross), "target 3 at position 2");
    check("rows", refusal(&linear(), Some(ints(&[3], &[0, 1, 2])), &cross), "do not fit");
    check("float targets", refusal(&linear(), Some(floats(&[4], wave)), &cross), "integer targets");
    check("mse extents", refusal(&linear(), Some(floats(&[4], wave)), &mse), "[4, 3]");
    check("no target", refusal(&linear(), None, &mse), "no targets");
    check("empty", refusal(&linear(), Some(ints(&[0], &[])), &cross), "empty");
    check("scalar loss", refusal(&linear(), None, &spec(LossKind::Output)), "scalar");
    let mut ignored = cross.clone();
    ignored.ignore_index = Some(1);
    check("all ignored", refusal(&linear(), Some(ints(&[4], &[1; 4])), &ignored), "every target is ignored");
    let mut fixed = linear();
    fixed.inputs[0].shape = Some(vec![Some(7), Some(2)]);
    check("fixed batch", refusal(&fixed, Some(floats(&[4, 3], wave)), &mse), "dynamic batch axis");
    let mut narrow = linear();
    narrow.initializers[0].1 = floats(&[5, 3], wave);
    check("inner extents", refusal(&narrow, Some(floats(&[4, 3], wave)), &mse), "the_matmul");
    let mut dangling = linear();
    dangling.nodes[0].inputs[1] = "nowhere".into();
    check("dangling", refusal(&dangling, Some(floats(&[4, 3], wave)), &mse), "nowhere");
    let mut many = linear();
    many.outputs.push(value("w", None));
    check("outputs", refusal(&many, Some(floats(&[4, 3], wave)), &mse), "out, w");

    // values of the snapshot
    let threads = Threads::new(1).unwrap();
    let bindings = [Binding { parameter: "w".into(), initializer: "w".into(), transposed: false }];
    let batch = [("x".to_string(), x()), ("y".to_string(), floats(&[4, 3], wave))];
    let network =
        std::sync::Arc::new(Network::new(&linear(), &bindings, &[("w".into(), vec![2, 3])], &batch, &mse).unwrap());
    let at = |w: Array| Prepared::new(network.clone(), &[("w".into(), w)], Precision::F64, &threads).err().unwrap();
    check("integers", at(ints(&[2, 3], &[1; 6])), "no derivative");
    check("NaN", at(floats(&[2, 3], |i| if i == 4 { f64::NAN } else { 0.0 })), "element 4 is NaN");
    check("extents", at(floats(&[3, 2], wave)), "`w`");
    check("overflow", at(floats(&[2, 3], |_| 1e200)), "loss");
}

/// A graph that asks for terabytes is refused before it gets them.
#[test]
fn hostile_extents() {
    let mut m = model(vec![node("Expand", &["x", "huge"], "big", &[]), node("MatMul", &["big", "w"], "out", &[])]);
    m.initializers.push(("huge".into(), ints(&[4], &[1 << 20, 1 << 20, 4, 2])));
    let error = refusal(&m, Some(floats(&[4, 3], wave)), &spec(LossKind::Mse));
    assert_eq!(error.class, Class::Resource, "{error}");
    let mut m = model(vec![node("ConstantOfShape", &["huge"], "big", &[]), node("Add", &["x", "big"], "out", &[])]);
    m.initializers.push(("huge".into(), ints(&[2], &[i64::MAX, i64::MAX])));
    let error = refusal(&m, Some(floats(&[4, 3], wave)), &spec(LossKind::Mse));
    assert_eq!(error.class, Class::Resource, "{error}");
}
