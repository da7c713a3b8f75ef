//! Placing on hand-made graphs: each rule, and each way to be uncertain.

mod operators;

use super::*;
use crate::error::Class;
use crate::snapshot::array::{Dtype, Values};
use crate::snapshot::onnx_graph::{Attribute, OnnxNode, OnnxValue};

type Tensors = Vec<(String, Array)>;

/// Distinct values that look trained; `seed` makes tensors differ.
fn array(shape: &[usize], seed: f64) -> Array {
    let count: usize = shape.iter().product();
    let values = (0..count).map(|i| ((i as f64 + 1.0) * (seed + 0.37)).sin()).collect();
    Array { dtype: Dtype::F32, shape: shape.to_vec(), values: Values::Float(values) }
}

fn filled(shape: &[usize], value: f64) -> Array {
    let count = shape.iter().product();
    Array { dtype: Dtype::F32, shape: shape.to_vec(), values: Values::Float(vec![value; count]) }
}

fn turned(array: &Array) -> Array {
    let (&[rows, columns], Values::Float(v)) = (&array.shape[..], &array.values) else { panic!() };
    let values = (0..columns).flat_map(|j| (0..rows).map(move |i| v[i * columns + j])).collect();
    Array { dtype: array.dtype, shape: vec![columns, rows], values: Values::Float(values) }
}

fn node(name: &str, op: &str, inputs: &[&str], output: &str) -> OnnxNode {
    OnnxNode {
        name: name.into(),
        op_type: op.into(),
        domain: String::new(),
        inputs: inputs.iter().map(|i| (*i).to_owned()).collect(),
        outputs: vec![output.into()],
        attributes: Vec::new(),
        metadata: Vec::new(),
    }
}

/// A node with the newer exporter's trace.
fn traced(op: &str, inputs: &[&str], output: &str, call: &str) -> OnnxNode {
    let mut node = node("", op, inputs, output);
    let text = format!("%v : [num_users=1] = call_function[target=torch.ops.{call}, kwargs = {{}})");
    node.metadata.push(("pkg.torch.onnx.fx_node".into(), text));
    node
}

fn graph(nodes: Vec<OnnxNode>, initializers: Vec<(&str, Array)>) -> OnnxModel {
    let output = nodes.last().unwrap().outputs[0].clone();
    OnnxModel {
        ir_version: 8,
        opset: 17,
        nodes,
        initializers: initializers.into_iter().map(|(n, a)| (n.to_owned(), a)).collect(),
        inputs: vec![OnnxValue { name: "x".into(), elem: None, shape: None }],
        outputs: vec![OnnxValue { name: output, elem: None, shape: None }],
        metadata: Vec::new(),
    }
}

fn signature(model: &mut OnnxModel, lines: &str) {
    model.metadata.push(("pkg.torch.export.ExportedProgram.graph_signature".into(), lines.into()));
}

fn tensors(list: &[(&str, Array)]) -> Tensors {
    list.iter().map(|(n, a)| ((*n).to_owned(), a.clone())).collect()
}

fn place_with(model: &mut OnnxModel, chosen: &[&Tensors], others: &[&Tensors]) -> Result<Placement> {
    let chosen: Vec<&[(String, Array)]> = chosen.iter().map(|t| t.as_slice()).collect();
    place(model, &chosen, &mut || Ok(others.iter().map(|t| (*t).clone()).collect()), "model.onnx")
}

fn binding(placement: &Placement, initializer: &str) -> (String, bool) {
    let b = placement.bindings.iter().find(|b| b.initializer == initializer).unwrap();
    (b.parameter.clone(), b.transposed)
}

fn rule(placement: &Placement, parameter: &str) -> PlacedBy {
    placement.parameters.iter().find(|(n, _)| n == parameter).unwrap().1
}

#[test]
fn scopes_of_modules() {
    let paths = |name: &str| trace::module_paths(&node(name, "MatMul", &[], "y"));
    assert_eq!(paths("/layers.0/q_proj/MatMul"), ["layers.0.q_proj"]);
    assert!(paths("/net/net.2/net.2.0/MatMul").contains(&"net.2.0".to_owned()));
    assert!(paths("/h.0/mlp/mlp.0/MatMul").contains(&"h.0.mlp.0".to_owned()));
    assert!(paths("/mlp/mlp.0/MatMul").contains(&"mlp.mlp.0".to_owned()));
    assert!(paths("/layer_1/MatMul").contains(&"layer".to_owned()));
    assert!(paths("/MatMul").is_empty() && paths("MatMul_3").is_empty() && paths("").is_empty());
    let mut deep = String::new();
    (0..200).for_each(|i| deep.push_str(&format!("/a{}", ".a".repeat(i % 3))));
    assert!(paths(&(deep + "/MatMul")).len() < 64);
}

#[test]
fn traced_calls_are_split_at_the_right_commas() {
    let call = |text: &str| {
        trace::traced_call(&traced("MatMul", &[], "y", text))
            .map(|c| (c.operator.to_owned(), c.arguments.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>()))
    };
    let (operator, arguments) = call("aten.layer_norm.default](args = (%x, [8, 4], %p_w, None, 1e-05)").unwrap();
    assert_eq!(operator, "aten.layer_norm.default");
    assert_eq!(arguments, ["%x", "[8, 4]", "%p_w", "None", "1e-05"]);
    assert_eq!(call("aten.gelu.default](args = (%linear,)").unwrap().1, ["%linear"]);
    assert_eq!(call("aten.zeros.default](args = ()").unwrap().1, [""; 0]);
    assert!(call("aten.linear").is_none());
    assert!(call("aten.linear.default](args = (((((").is_some());
}

#[test]
fn a_folded_transpose_is_found_by_its_scope() {
    let w = array(&[3, 3], 1.0);
    let model = || {
        graph(
            vec![
                node("/fc/MatMul", "MatMul", &["x", "onnx::MatMul_9"], "m"),
                node("/fc/Add", "Add", &["fc.bias", "m"], "y"),
            ],
            vec![("onnx::MatMul_9", turned(&w)), ("fc.bias", array(&[3], 2.0))],
        )
    };
    let moved = tensors(&[("fc.weight", array(&[3, 3], 5.0)), ("fc.bias", array(&[3], 6.0))]);
    let placement = place_with(&mut model(), &[&moved], &[]).unwrap();
    assert_eq!(binding(&placement, "onnx::MatMul_9"), ("fc.weight".into(), true));
    assert_eq!(rule(&placement, "fc.weight"), PlacedBy::Trace);
    // The snapshot that was exported confirms it, and would correct it.
    let own = tensors(&[("fc.weight", w.clone()), ("fc.bias", array(&[3], 2.0))]);
    let placement = place_with(&mut model(), &[&moved], &[&own]).unwrap();
    assert_eq!(binding(&placement, "onnx::MatMul_9"), ("fc.weight".into(), true));
    let plain = tensors(&[("fc.weight", turned(&w)), ("fc.bias", array(&[3], 2.0))]);
    let placement = place_with(&mut model(), &[&moved], &[&plain]).unwrap();
    assert_eq!(binding(&placement, "onnx::MatMul_9"), ("fc.weight".into(), false));
    // If it is neither way round, something was computed.
    let scaled = tensors(&[("fc.weight", array(&[3, 3], 9.0)), ("fc.bias", array(&[3], 2.0))]);
    let error = place_with(&mut model(), &[&moved], &[&scaled]).unwrap_err();
    assert_eq!(error.code, "placing::contradiction");
}

#[test]
fn a_constant_computed_for_a_convolution_is_no_weight() {
    let mut model = graph(
        vec![node("/c/Conv", "Conv", &["x", "onnx::Conv_4", "c.bias"], "y")],
        vec![("onnx::Conv_4", array(&[2, 1, 3, 3], 1.0)), ("c.bias", array(&[2], 2.0))],
    );
    let snapshot = tensors(&[("c.weight", array(&[2, 1, 3, 3], 5.0)), ("c.bias", array(&[2], 6.0))]);
    assert_eq!(place_with(&mut model, &[&snapshot], &[]).unwrap_err().code, "placing::unplaced");
}

#[test]
fn renamed_initializers_are_found_by_value() {
    let (w, v, b) = (array(&[3, 4], 1.0), array(&[4, 3], 2.0), array(&[3], 3.0));
    let model = || {
        graph(
            vec![
                node("a", "MatMul", &["x", "w0"], "m"),
                node("b", "Add", &["m", "w1"], "n"),
                node("c", "MatMul", &["n", "w2"], "y"),
            ],
            vec![("w0", turned(&w)), ("w1", b.clone()), ("w2", turned(&v))],
        )
    };
    let own = tensors(&[("q", w.clone()), ("r", v.clone()), ("s", b.clone())]);
    let moved = tensors(&[("q", array(&[3, 4], 7.0)), ("r", array(&[4, 3], 8.0)), ("s", array(&[3], 9.0))]);
    let placement = place_with(&mut model(), &[&moved], &[&own]).unwrap();
    assert_eq!(binding(&placement, "w0"), ("q".into(), true));
    assert_eq!(binding(&placement, "w1"), ("s".into(), false));
    assert_eq!(binding(&placement, "w2"), ("r".into(), true));
    assert!(placement.parameters.iter().all(|(_, by)| *by == PlacedBy::Value));
    // First use by the graph decides the order.
    let order: Vec<&str> = placement.parameters.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(order, ["q", "s", "r"]);
    // Without it, shapes decide where they are unique: [3, 4] and [4, 3] fit both ways.
    let error = place_with(&mut model(), &[&moved], &[]).unwrap_err();
    assert_eq!(error.code, "placing::unplaced");
    assert!(error.what.contains("'q'") && error.what.contains("w0, w2"), "{error}");
}

#[test]
fn a_unique_shape_places_and_a_square_does_not() {
    let rectangle = || {
        graph(
            vec![node("a", "MatMul", &["x", "w0"], "m"), node("b", "MatMul", &["m", "w1"], "y")],
            vec![("w0", array(&[4, 3], 1.0)), ("w1", array(&[3, 5], 2.0))],
        )
    };
    let snapshot = tensors(&[("p", array(&[3, 4], 5.0)), ("q", array(&[3, 5], 6.0))]);
    let placement = place_with(&mut rectangle(), &[&snapshot], &[]).unwrap();
    assert_eq!(binding(&placement, "w0"), ("p".into(), true));
    assert_eq!(binding(&placement, "w1"), ("q".into(), false));
    assert_eq!(rule(&placement, "p"), PlacedBy::Shape);
    let mut square = graph(vec![node("a", "MatMul", &["x", "w0"], "y")], vec![("w0", array(&[3, 3], 1.0))]);
    let snapshot = tensors(&[("p", array(&[3, 3], 5.0))]);
    assert_eq!(place_with(&mut square, &[&snapshot], &[]).unwrap_err().code, "placing::unplaced");
}

#[test]
fn a_symmetric_square_does_not_show_its_orientation() {
    let mut model = graph(
        vec![node("a", "MatMul", &["x", "w0"], "y")],
        vec![("w0", {
            let mut w = filled(&[2, 2], 1.0);
            w.values = Values::Float(vec![1.0, 2.0, 2.0, 3.0]);
            w
        })],
    );
    let own = tensors(&[("p", model.initializers[0].1.clone())]);
    let moved = tensors(&[("p", array(&[2, 2], 4.0))]);
    assert_eq!(place_with(&mut model, &[&moved], &[&own]).unwrap_err().code, "placing::unplaced");
}

#[test]
fn equal_fresh_values_are_no_evidence() {
    // Two zero biases of one shape, renamed: the exported snapshot cannot tell them apart.
    let model = || {
        graph(
            vec![
                node("a", "Add", &["x", "b0"], "m"),
                node("r", "Relu", &["m"], "n"),
                node("b", "Add", &["n", "b1"], "y"),
            ],
            vec![("b0", filled(&[3], 0.0)), ("b1", filled(&[3], 0.0))],
        )
    };
    let own = tensors(&[("p", filled(&[3], 0.0)), ("q", filled(&[3], 0.0))]);
    assert_eq!(place_with(&mut model(), &[&own], &[]).unwrap_err().code, "placing::unplaced");
    // A single one has one place.
    let mut one = graph(vec![node("a", "Add", &["x", "b0"], "y")], vec![("b0", filled(&[3], 0.0))]);
    let own = tensors(&[("p", filled(&[3], 0.0))]);
    assert_eq!(binding(&place_with(&mut one, &[&own], &[]).unwrap(), "b0"), ("p".into(), false));
}

#[test]
fn merged_initializers_are_taken_apart_by_their_traces() {
    let mut model = graph(
        vec![
            traced("Add", &["x", "a.bias"], "m", "aten.add.Tensor](args = (%x, %p_a_bias)"),
            traced("Add", &["m", "a.bias"], "y", "aten.add.Tensor](args = (%m, %p_b_bias)"),
        ],
        vec![("a.bias", filled(&[3], 0.0))],
    );
    signature(&mut model, "p_a_bias: PARAMETER target='a.bias'\np_b_bias: PARAMETER target='b.bias'\n");
    let moved = tensors(&[("a.bias", array(&[3], 1.0)), ("b.bias", array(&[3], 2.0))]);
    let placement = place_with(&mut model, &[&moved], &[]).unwrap();
    assert_eq!(binding(&placement, "a.bias"), ("a.bias".into(), false));
    assert_eq!(binding(&placement, "b.bias"), ("b.bias".into(), false));
    assert_eq!(model.nodes[1].inputs, ["m", "b.bias"]);
    // Without traces, the second bias has no place.
    let mut bare = graph(
        vec![node("", "Add", &["x", "a.bias"], "m"), node("", "Add", &["m", "a.bias"], "y")],
        vec![("a.bias", filled(&[3], 0.0))],
    );
    assert_eq!(place_with(&mut bare, &[&moved], &[]).unwrap_err().code, "placing::unplaced");
}

#[test]
fn identity_copies_carry_lost_names() {
    let mut model = graph(
        vec![
            node("", "Identity", &["a.bias"], "b.bias"),
            node("", "Add", &["x", "a.bias"], "m"),
            node("", "Add", &["m", "b.bias"], "y"),
        ],
        vec![("a.bias", filled(&[3], 0.0))],
    );
    let moved = tensors(&[("a.bias", array(&[3], 1.0)), ("b.bias", array(&[3], 2.0))]);
    let placement = place_with(&mut model, &[&moved], &[]).unwrap();
    assert_eq!(binding(&placement, "b.bias"), ("b.bias".into(), false));
    assert_eq!(model.nodes.len(), 2);
    assert!(model.initializers.iter().any(|(n, _)| n == "b.bias"));
}

#[test]
fn weights_in_constant_nodes_count() {
    let mut constant = node("", "Constant", &[], "fc.weight");
    constant.attributes.push(("value".into(), Attribute::Tensor(array(&[3, 2], 1.0))));
    let mut model = graph(vec![constant, node("/fc/MatMul", "MatMul", &["x", "fc.weight"], "y")], vec![]);
    let snapshot = tensors(&[("fc.weight", array(&[3, 2], 5.0))]);
    let placement = place_with(&mut model, &[&snapshot], &[]).unwrap();
    assert_eq!(binding(&placement, "fc.weight"), ("fc.weight".into(), false));
    assert_eq!(model.nodes.len(), 1);
}

#[test]
fn slots_are_never_filled_from_the_graph() {
    let snapshot = tensors(&[("fc.weight", array(&[3, 3], 5.0))]);
    let other = |op: &str, inputs: &[&str]| {
        let mut model = graph(
            vec![node("/fc/MatMul", "MatMul", &["x", "fc.weight"], "m"), node("/odd", op, inputs, "y")],
            vec![("fc.weight", array(&[3, 3], 1.0)), ("k", array(&[3], 2.0)), ("fc.bias", array(&[3], 3.0))],
        );
        place_with(&mut model, &[&snapshot], &[])
    };
    for (op, inputs) in [
        ("Gemm", &["m", "fc.weight", "k"][..]),
        ("Gemm", &["m", "k"]),
        ("MatMul", &["m", "k"]),
        ("MatMul", &["k", "m"]),
        ("Conv", &["m", "k"]),
        ("Conv", &["m", "fc.weight", "k"]),
        ("LayerNormalization", &["m", "k"]),
        ("Gather", &["k", "m"]),
        ("BatchNormalization", &["m", "fc.weight", "fc.weight", "fc.weight", "k"]),
        ("Add", &["m", "fc.bias"]),
        ("Mul", &["fc.bias", "m"]),
    ] {
        let error = other(op, inputs).expect_err(op);
        assert_eq!((error.class, error.code), (Class::Input, "placing::slot"), "{op}: {error}");
        assert!(error.place.contains("/odd"), "{error}");
    }
    // Where plain constants stand, they may.
    for (op, inputs) in
        [("Add", &["m", "k"][..]), ("Mul", &["k", "m"]), ("Where", &["m", "k", "m"]), ("Pow", &["m", "k"])]
    {
        let placement = other(op, inputs).unwrap();
        assert_eq!(placement.constants, ["k"], "{op}");
    }
}

#[test]
fn a_weight_behind_other_operators_still_sits_in_its_slot() {
    let snapshot = tensors(&[("fc.weight", array(&[3, 3], 5.0))]);
    for middle in [
        node("", "Transpose", &["w"], "v"),
        node("", "Mul", &["w", "s"], "v"),
        node("", "Cast", &["w"], "v"),
        node("", "Identity", &["w"], "v"),
    ] {
        let mut model = graph(
            vec![middle, node("", "MatMul", &["x", "fc.weight"], "m"), node("/odd", "MatMul", &["m", "v"], "y")],
            vec![("fc.weight", array(&[3, 3], 1.0)), ("w", array(&[3, 3], 2.0)), ("s", filled(&[], 0.5))],
        );
        let error = place_with(&mut model, &[&snapshot], &[]).unwrap_err();
        assert_eq!(error.code, "placing::slot", "{error}");
        assert!(error.place.contains("'w'") || error.place.contains("'v'"), "{error}");
    }
}

#[test]
fn an_operand_that_equals_a_tensor_of_some_snapshot_is_an_error() {
    let bias = array(&[3], 2.0);
    let mut model = graph(
        vec![node("", "MatMul", &["x", "fc.weight"], "m"), node("/odd", "Add", &["m", "k"], "y")],
        vec![("fc.weight", array(&[3, 3], 1.0)), ("k", bias.clone())],
    );
    // `k` equals a bias of another snapshot, which is not the exported one and so tells no place.
    let chosen = tensors(&[("fc.weight", array(&[3, 3], 5.0))]);
    let error = place_with(&mut model, &[&chosen], &[&tensors(&[("fc.weight", filled(&[3, 3], 9.0))])]);
    assert!(error.is_ok());
    let with_bias = tensors(&[("fc.weight", array(&[3, 3], 5.0)), ("fc.bias", array(&[3], 7.0))]);
    let other = tensors(&[("fc.weight", array(&[3, 3], 6.0)), ("fc.bias", bias)]);
    let mut named = graph(
        vec![
            node("", "MatMul", &["x", "fc.weight"], "m"),
            node("", "Add", &["m", "fc.bias"], "n"),
            node("/odd", "Add", &["n", "k"], "y"),
        ],
        vec![("fc.weight", array(&[3, 3], 1.0)), ("fc.bias", array(&[3], 1.5)), ("k", array(&[3], 2.0))],
    );
    let error = place_with(&mut named, &[&with_bias], &[&other]).unwrap_err();
    assert_eq!(error.code, "placing::slot", "{error}");
}

#[test]
fn tensors_the_graph_does_not_use_are_refused() {
    // An initializer that no live node takes is no place.
    let mut model = graph(
        vec![node("", "Relu", &["unused"], "dead"), node("", "MatMul", &["x", "fc.weight"], "y")],
        vec![("fc.weight", array(&[3, 3], 1.0)), ("unused", array(&[4], 2.0))],
    );
    let snapshot = tensors(&[("fc.weight", array(&[3, 3], 5.0)), ("unused", array(&[4], 6.0))]);
    let error = place_with(&mut model, &[&snapshot], &[]).unwrap_err();
    assert!(error.what.contains("'unused'"), "{error}");
    // Nor is a copy of another tensor a place for it.
    let mut model = graph(vec![node("", "MatMul", &["x", "fc.weight"], "y")], vec![("fc.weight", array(&[3, 3], 1.0))]);
    let copied = tensors(&[("fc.weight", array(&[3, 3], 5.0)), ("target.weight", array(&[3, 3], 5.0))]);
    let error = place_with(&mut model, &[&copied], &[]).unwrap_err();
    assert!(error.what.contains("'target.weight'"), "{error}");
}

#[test]
fn a_parameter_that_the_export_had_and_the_snapshot_lacks_is_named() {
    let call = "aten._native_batch_norm_legit_no_training.default](args = (%c, %p_bn_weight, %p_bn_bias)";
    let mut model =
        graph(vec![traced("Conv", &["x", "c.weight"], "y", call)], vec![("c.weight", array(&[2, 1, 3, 3], 1.0))]);
    signature(&mut model, "p_c_weight: PARAMETER target='c.weight'\np_bn_weight: PARAMETER target='bn.weight'\n");
    let snapshot = tensors(&[("c.weight", array(&[2, 1, 3, 3], 5.0))]);
    let error = place_with(&mut model, &[&snapshot], &[]).unwrap_err();
    assert_eq!(error.code, "placing::lacking");
    assert!(error.what.contains("bn.weight"), "{error}");
}

#[test]
fn buffers_that_no_state_dict_holds_may_stand_anywhere() {
    let mut model = graph(
        vec![
            node("", "MatMul", &["x", "fc.weight"], "m"),
            traced("MatMul", &["m", "inv_freq"], "y", "aten.matmul.default](args = (%m, %b_inv_freq)"),
        ],
        vec![("fc.weight", array(&[3, 3], 1.0)), ("inv_freq", array(&[3, 2], 2.0))],
    );
    let snapshot = tensors(&[("fc.weight", array(&[3, 3], 5.0))]);
    assert_eq!(place_with(&mut model.clone(), &[&snapshot], &[]).unwrap_err().code, "placing::slot");
    signature(&mut model, "b_inv_freq: BUFFER target='inv_freq' persistent=False\n");
    assert_eq!(place_with(&mut model, &[&snapshot], &[]).unwrap().constants, ["inv_freq"]);
}

#[test]
fn axes_of_extent_one_do_not_hide_a_parameter() {
    let table = array(&[1, 4, 3], 2.0);
    let folded = Array { shape: vec![4, 3], ..table.clone() };
    let mut model = graph(
        vec![node("", "MatMul", &["x", "fc.weight"], "m"), node("", "Add", &["m", "k"], "y")],
        vec![("fc.weight", array(&[3, 3], 1.0)), ("k", folded)],
    );
    let own = tensors(&[("fc.weight", array(&[3, 3], 1.0)), ("pos", table)]);
    let placement = place_with(&mut model, &[&own], &[]).unwrap();
    assert_eq!(binding(&placement, "k"), ("pos".into(), false));
    assert_eq!(rule(&placement, "pos"), PlacedBy::Value);
}

#[test]
fn a_tie_shows_in_the_graphs_own_values() {
    let w = array(&[4, 3], 1.0);
    let mut model = graph(
        vec![node("", "Gather", &["wte.weight", "x"], "m"), node("", "MatMul", &["m", "head"], "y")],
        vec![("wte.weight", w.clone()), ("head", turned(&w))],
    );
    let snapshot = tensors(&[("wte.weight", array(&[4, 3], 5.0))]);
    let placement = place_with(&mut model, &[&snapshot], &[]).unwrap();
    assert_eq!(binding(&placement, "head"), ("wte.weight".into(), true));
    // Values that differ are no tie, and the slot stays open.
    let mut model = graph(
        vec![node("", "Gather", &["wte.weight", "x"], "m"), node("", "MatMul", &["m", "head"], "y")],
        vec![("wte.weight", w.clone()), ("head", array(&[3, 4], 2.0))],
    );
    assert_eq!(place_with(&mut model, &[&snapshot], &[]).unwrap_err().code, "placing::slot");
}

/// The exporters write a group norm as InstanceNormalization by ones and zeros, then a product and a sum.
#[test]
fn a_group_norm_written_out_is_placed_at_its_gain_and_shift() {
    let call = "aten.group_norm.default](args = (%x, 4, %p_gn_weight, %p_gn_bias, 1e-05, False)";
    let nodes = |name: [&str; 3], trace: bool| -> Vec<OnnxNode> {
        let operators = [
            (name[0], "InstanceNormalization", ["x", "val_1", "val_2"].as_slice(), "n"),
            (name[1], "Mul", &["n", "val_3"], "m"),
            (name[2], "Add", &["m", "val_4"], "y"),
        ];
        let one = |(name, op, inputs, output)| {
            if trace { traced(op, inputs, output, call) } else { node(name, op, inputs, output) }
        };
        operators.map(one).into()
    };
    // As many groups as channels: the ones have the extents of the gain, and at initialisation its values.
    let stored = |gain: Array, shift: Array| {
        vec![("val_1", filled(&[4], 1.0)), ("val_2", filled(&[4], 0.0)), ("val_3", gain), ("val_4", shift)]
    };
    let moved = tensors(&[("gn.weight", array(&[4], 1.0)), ("gn.bias", array(&[4], 2.0))]);
    let check = |placement: Placement| {
        assert_eq!(binding(&placement, "val_3"), ("gn.weight".into(), false));
        assert_eq!(binding(&placement, "val_4"), ("gn.bias".into(), false));
        assert_eq!(placement.bindings.len(), 2);
    };
    for (gain, shift) in
        [(filled(&[4, 1, 1], 1.0), filled(&[4, 1, 1], 0.0)), (array(&[4, 1, 1], 5.0), array(&[4, 1, 1], 6.0))]
    {
        let mut model = graph(nodes(["", "", ""], true), stored(gain.clone(), shift.clone()));
        signature(&mut model, "p_gn_weight: PARAMETER target='gn.weight'\np_gn_bias: PARAMETER target='gn.bias'\n");
        check(place_with(&mut model, &[&moved], &[]).unwrap());
        let scopes = ["/gn/InstanceNormalization", "/gn/Mul", "/gn/Add"];
        let mut model = graph(nodes(scopes, false), stored(gain, shift));
        check(place_with(&mut model, &[&moved], &[]).unwrap());
    }
    // An instance norm of its own, by name.
    let mut model = graph(
        vec![node("", "InstanceNormalization", &["x", "in.weight", "in.bias"], "y")],
        vec![("in.weight", filled(&[4], 1.0)), ("in.bias", filled(&[4], 0.0))],
    );
    let own = tensors(&[("in.weight", array(&[4], 1.0)), ("in.bias", array(&[4], 2.0))]);
    assert_eq!(place_with(&mut model, &[&own], &[]).unwrap().bindings.len(), 2);
}
