"""Makes operators.json: one small graph per operator and form, with outputs of the ONNX reference evaluator in float64.

Run: python tests/data/operators.py   (needs numpy and onnx). The file is committed; tests never run this script.
"""
import json
import math
import os

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

rng = np.random.default_rng(20261122)
cases = []

def group(x, groups):
    g = x.reshape(x.shape[0], groups, -1)
    g = (g - g.mean(-1, keepdims=True)) / np.sqrt(g.var(-1, keepdims=True) + float(np.float32(1e-5)))
    return g.reshape(x.shape)


ERF = np.vectorize(math.erf)
EXACT = {
    "Erf": ERF,
    "Gelu": lambda x: 0.5 * x * (1 + ERF(x / np.sqrt(2))),
    "HardSwish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "GroupNormalization": lambda x, s, b: group(x, 2) * s[:, None] + b[:, None],
    "Gelu tanh": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
}


def fl(*shape, low=-1.5, high=1.5, gap=0.0):
    x = rng.uniform(low, high, size=shape)
    return np.round(np.where(np.abs(x) < gap, x + 2 * gap * np.sign(x + 1e-9), x), 6)


def ints(*v):
    return np.array(v, dtype=np.int64)


def case(name, nodes, floats, consts=None, opset=17, out="y"):
    """floats: differentiated inputs w0, w1, …; consts: further initializers."""
    consts = consts or {}
    nodes = nodes if isinstance(nodes, list) else [nodes]
    onnx_nodes = [helper.make_node(op, i, o, **a) for op, i, o, a in nodes]
    feeds = {f"w{k}": v for k, v in enumerate(floats)}
    inputs = [helper.make_tensor_value_info(k, TensorProto.DOUBLE, v.shape) for k, v in feeds.items()]
    inits = [numpy_helper.from_array(np.asarray(v), k) for k, v in consts.items()]
    graph = helper.make_graph(onnx_nodes, name, inputs, [helper.make_tensor_value_info(out, TensorProto.DOUBLE, None)], inits)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    value = ReferenceEvaluator(model).run(None, feeds)[0]
    if name in EXACT:  # where the evaluator rounds to float32
        exact = EXACT[name](*feeds.values())
        assert np.allclose(value, exact, rtol=1e-5, atol=1e-6), name
        value = exact
    value = np.asarray(value, dtype=np.float64)
    assert np.isfinite(value).all(), name

    def attr(v):
        if isinstance(v, np.ndarray):
            return {"tensor": arr(v)}
        return v

    def arr(v):
        v = np.asarray(v)
        kind = "int" if v.dtype.kind in "iu" else "bool" if v.dtype.kind == "b" else "float"
        return {"kind": kind, "shape": list(v.shape), "data": v.reshape(-1).tolist()}

    def node(op, i, o, a):
        return {"op": op, "inputs": i, "outputs": o, "attributes": {k: attr(v) for k, v in a.items()}}

    cases.append({
        "name": name, "opset": opset,
        "nodes": [node(op, i, o, {k: (v if not isinstance(v, TensorProto) else numpy_helper.to_array(v)) for k, v in a.items()}) for op, i, o, a in nodes],
        "params": {k: arr(v) for k, v in feeds.items()},
        "constants": {k: arr(v) for k, v in consts.items()},
        "output": {"name": out, "shape": list(value.shape), "data": value.reshape(-1).tolist()},
    })


def one(op, *floats, consts=None, opset=17, name=None, **attrs):
    consts = consts or {}
    ins = [f"w{k}" for k in range(len(floats))] + list(consts)
    case(name or op, (op, ins, ["y"], attrs), list(floats), consts, opset)


# elementwise, one operand
for op in ["Tanh", "Sigmoid", "Exp", "Erf", "Sin", "Cos", "Softplus", "Neg", "Softsign"]:
    one(op, fl(2, 3))
one("Relu", fl(3, 4, gap=0.05))
one("Abs", fl(2, 3, gap=0.05))
for op in ["Log", "Sqrt", "Reciprocal"]:
    one(op, fl(2, 3, low=0.4, high=2.0))
one("LeakyRelu", fl(2, 3, gap=0.05), alpha=0.25)
one("Elu", fl(2, 3, gap=0.05), alpha=1.5)
one("Selu", fl(2, 3, gap=0.05))
one("HardSigmoid", fl(2, 3), alpha=0.25, beta=0.5)
one("HardSwish", fl(2, 3))
one("Mish", fl(2, 3), opset=18)
one("Gelu", fl(2, 3), opset=20)
one("Gelu", fl(2, 3), opset=20, approximate="tanh", name="Gelu tanh")
one("PRelu", fl(2, 3, gap=0.05), fl(3))
one("Clip", fl(3, 4), consts={"lo": np.array(-0.7), "hi": np.array(0.8)})
for op in ["Floor", "Ceil", "Round", "Sign"]:
    case(op, [(op, ["w0"], ["f"], {}), ("Add", ["f", "w0"], ["y"], {})], [fl(2, 3)])
one("Identity", fl(2, 3))
one("Dropout", fl(2, 3), name="Dropout inference")
case("Cast", [("Cast", ["w0"], ["y"], {"to": 11})], [fl(2, 3)])
# elementwise, more operands, broadcasting
for op in ["Add", "Sub", "Mul"]:
    one(op, fl(2, 3), fl(2, 3))
    one(op, fl(2, 1, 4), fl(3, 1), name=f"{op} broadcast")
one("Div", fl(2, 3), fl(3, low=0.5, high=2.0))
one("Div", fl(2, 3), consts={"c": np.array(1.7)}, name="Div by a constant")
one("Pow", fl(2, 3, low=0.3, high=2.0), consts={"e": np.array(3.0)}, name="Pow 3")
one("Pow", fl(2, 3), consts={"e": np.array(2.0)}, name="Pow 2")
one("Pow", fl(2, 3, low=0.3, high=2.0), consts={"e": np.array(-0.5)}, name="Pow -0.5")
one("Pow", fl(2, 3, low=0.3, high=2.0), fl(2, 3), name="Pow of a tensor")
one("Max", fl(2, 3), fl(2, 3))
one("Min", fl(2, 3), fl(3))
one("Max", fl(2, 3), fl(2, 3), fl(2, 3), name="Max of three")
one("Sum", fl(2, 3), fl(2, 3), fl(3))
one("Mean", fl(2, 3), fl(2, 3), fl(2, 3))
case("Mod of integers", [("Mod", ["a", "b"], ["m"], {}), ("Cast", ["m"], ["f"], {"to": 11}), ("Mul", ["f", "w0"], ["y"], {})],
     [fl(4)], {"a": ints(7, -7, 9, -9), "b": ints(3, 3, -4, -4)})
# comparisons and selection
for op in ["Greater", "GreaterOrEqual", "Less", "LessOrEqual"]:
    case(op, [(op, ["w0", "w1"], ["m"], {}), ("Where", ["m", "w0", "z"], ["y"], {})], [fl(2, 3), fl(2, 3)], {"z": np.array(0.25)})
case("Where broadcast", [("Greater", ["w0", "z"], ["m"], {}), ("Where", ["m", "w0", "w1"], ["y"], {})],
     [fl(2, 3, gap=0.05), fl(2, 1)], {"z": np.array(0.0)})
case("Equal, Not, Where", [("Equal", ["a", "b"], ["m"], {}), ("Not", ["m"], ["k"], {}), ("Where", ["k", "w0", "w1"], ["y"], {})],
     [fl(4), fl(4)], {"a": ints(1, 2, 3, 4), "b": ints(1, 5, 3, 6)})
for op in ["And", "Or", "Xor"]:
    case(op, [(op, ["a", "b"], ["m"], {}), ("Where", ["m", "w0", "w1"], ["y"], {})], [fl(4), fl(4)],
         {"a": np.array([True, True, False, False]), "b": np.array([True, False, True, False])})
case("IsNaN guard", [("Softmax", ["w0"], ["s"], {"axis": -1}), ("IsNaN", ["s"], ["n"], {}), ("Where", ["n", "z", "s"], ["y"], {})],
     [fl(2, 3)], {"z": np.array(0.0)})
case("CastLike", [("CastLike", ["a", "w0"], ["f"], {}), ("Mul", ["f", "w0"], ["y"], {})], [fl(3)], {"a": ints(1, 2, 3)}, opset=19)
# linear
one("Gemm", fl(3, 4), fl(4, 2))
one("Gemm", fl(3, 4), fl(2, 4), fl(2), transB=1, name="Gemm transB bias")
one("Gemm", fl(4, 3), fl(4, 2), fl(3, 1), transA=1, alpha=0.5, beta=2.0, name="Gemm transA alpha beta")
one("Gemm", fl(4, 3), fl(2, 4), fl(1, 2), transA=1, transB=1, name="Gemm transA transB")
one("MatMul", fl(3, 4), fl(4, 2))
one("MatMul", fl(2, 3, 4), fl(4, 2), name="MatMul batch by matrix")
one("MatMul", fl(2, 3, 4), fl(2, 4, 2), name="MatMul batch by batch")
one("MatMul", fl(3, 4), fl(2, 4, 2), name="MatMul matrix by batch")
one("MatMul", fl(2, 1, 3, 4), fl(3, 4, 2), name="MatMul broadcast batches")
one("MatMul", fl(4), fl(4, 2), name="MatMul vector by matrix")
one("MatMul", fl(2, 3, 4), fl(4), name="MatMul batch by vector")
one("MatMul", fl(4), fl(4), name="MatMul vector by vector")
case("MatMul transposed", [("Transpose", ["w1"], ["t"], {"perm": [0, 2, 1]}), ("MatMul", ["w0", "t"], ["y"], {})], [fl(2, 3, 4), fl(2, 5, 4)])
case("MatMul by itself", [("Transpose", ["w0"], ["t"], {"perm": [1, 0]}), ("MatMul", ["w0", "t"], ["y"], {})], [fl(3, 4)])
one("Einsum", fl(2, 3, 4), fl(4, 5), equation="bij,jk->bik", name="Einsum bij,jk->bik")
one("Einsum", fl(2, 3, 4), fl(2, 5, 4), equation="bid,bjd->bij", name="Einsum bid,bjd->bij")
one("Einsum", fl(3, 4), equation="ij->ji", name="Einsum ij->ji")
one("Einsum", fl(3, 4), fl(3, 4), equation="ij,ij->i", name="Einsum ij,ij->i")
one("Einsum", fl(2, 3), fl(4), equation="ij,k->kij", name="Einsum ij,k->kij")
# layout
one("Reshape", fl(2, 3, 4), consts={"s": ints(0, -1)})
one("Flatten", fl(2, 3, 4), axis=2)
one("Transpose", fl(2, 3, 4), perm=[2, 0, 1])
one("Transpose", fl(2, 3), name="Transpose default")
one("Squeeze", fl(2, 1, 3, 1), consts={"a": ints(1)})
one("Unsqueeze", fl(2, 3), consts={"a": ints(0, -1)})
one("Concat", fl(2, 3), fl(2, 2), axis=1)
case("Split", [("Split", ["w0", "s"], ["a", "b"], {"axis": 1}), ("Mul", ["a", "b"], ["y"], {})], [fl(2, 4)], {"s": ints(2, 2)})
case("Split num_outputs", [("Split", ["w0"], ["a", "b"], {"axis": 0, "num_outputs": 2}), ("Mul", ["a", "b"], ["y"], {})], [fl(4, 3)], opset=18)
one("Slice", fl(4, 5), consts={"s": ints(1, -1), "e": ints(4, -5), "a": ints(0, 1), "t": ints(2, -2)})
one("Gather", fl(4, 3), consts={"i": np.array([[0, 2], [3, -1]])}, axis=0)
one("Gather", fl(2, 4), consts={"i": ints(1)[0]}, axis=1, name="Gather scalar index")
one("GatherElements", fl(3, 3), consts={"i": np.array([[1, 2, 0], [2, 0, 0]])}, axis=0)
one("Expand", fl(3, 1), consts={"s": ints(2, 1, 4)})
one("Tile", fl(2, 3), consts={"r": ints(2, 2)})
one("Pad", fl(2, 3), consts={"p": ints(1, 0, 0, 2)})
one("Pad", fl(2, 3), consts={"p": ints(0, 1, 1, 1), "v": np.array(0.5)}, name="Pad value")
one("Pad", fl(3, 4), consts={"p": ints(1, 1, 1, 1)}, mode="reflect", name="Pad reflect")
one("Pad", fl(3, 4), consts={"p": ints(1, 2, 1, 0)}, mode="edge", name="Pad edge")
one("Trilu", fl(3, 4))
one("Trilu", fl(2, 3, 3), consts={"k": np.array(1)}, upper=0, name="Trilu lower")
case("Shape, Gather, Concat, Reshape", [
    ("Shape", ["w0"], ["s"], {}), ("Gather", ["s", "zero"], ["b"], {"axis": 0}), ("Unsqueeze", ["b", "ax"], ["u"], {}),
    ("Concat", ["u", "rest"], ["t"], {"axis": 0}), ("Reshape", ["w0", "t"], ["y"], {})],
    [fl(2, 3, 4)], {"zero": np.array(0), "ax": ints(0), "rest": ints(-1)})
case("Size, Range, ConstantOfShape", [
    ("Size", ["w0"], ["n"], {}), ("Range", ["zero", "n", "one"], ["r"], {}), ("Cast", ["r"], ["f"], {"to": 11}),
    ("Shape", ["w0"], ["s"], {}), ("ConstantOfShape", ["s"], ["k"], {"value": numpy_helper.from_array(np.array([2], dtype=np.int64))}),
    ("Cast", ["k"], ["kf"], {"to": 11}), ("Mul", ["f", "kf"], ["g"], {}), ("Mul", ["g", "w0"], ["y"], {})],
    [fl(4)], {"zero": np.array(0), "one": np.array(1)})
case("Constant", [("Constant", [], ["c"], {"value": numpy_helper.from_array(np.array([0.5, -1.25, 2.0]))}), ("Mul", ["c", "w0"], ["y"], {})], [fl(2, 3)])
case("OneHot", [("OneHot", ["i", "d", "v"], ["o"], {}), ("MatMul", ["o", "w0"], ["y"], {})], [fl(4, 2)],
     {"i": ints(1, 3, -2), "d": np.array(4), "v": np.array([0.0, 1.0])})
one("CumSum", fl(3, 4), consts={"a": np.array(1)})
one("CumSum", fl(3, 4), consts={"a": np.array(0)}, exclusive=1, reverse=1, name="CumSum exclusive reverse")
# reductions
for op in ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceSumSquare", "ReduceL2", "ReduceLogSumExp"]:
    if op == "ReduceSum":
        one(op, fl(2, 3, 4), consts={"a": ints(1, -1)}, keepdims=0)
    else:
        one(op, fl(2, 3, 4), axes=[1, -1], keepdims=0)
        one(op, fl(2, 3, 4), consts={"a": ints(0)}, opset=18, name=f"{op} axes as input")
one("ReduceL1", fl(2, 3, gap=0.05), axes=[1])
one("ReduceMean", fl(2, 3), name="ReduceMean all")
case("ReduceProd of integers", [("Shape", ["w0"], ["s"], {}), ("ReduceProd", ["s"], ["n"], {"keepdims": 0}), ("Cast", ["n"], ["f"], {"to": 11}), ("Mul", ["f", "w0"], ["y"], {})], [fl(2, 3)])
one("Softmax", fl(2, 3, 4), axis=1, name="Softmax axis 1")
one("Softmax", fl(2, 5))
one("LogSoftmax", fl(3, 4))
# normalisation
one("LayerNormalization", fl(2, 3, 4), fl(4), fl(4), epsilon=1e-5)
one("LayerNormalization", fl(2, 3, 4), fl(3, 4), axis=1, epsilon=1e-5, name="LayerNormalization axis 1 without bias")
one("BatchNormalization", fl(2, 3, 2, 2), fl(3), fl(3), fl(3), fl(3, low=0.5, high=1.5))
one("InstanceNormalization", fl(2, 3, 4), fl(3), fl(3))
one("GroupNormalization", fl(2, 4, 3), fl(4), fl(4), opset=21, num_groups=2)
case("RMS norm", [("Mul", ["w0", "w0"], ["q"], {}), ("ReduceMean", ["q"], ["m"], {"axes": [-1]}), ("Add", ["m", "e"], ["s"], {}),
     ("Sqrt", ["s"], ["r"], {}), ("Div", ["w0", "r"], ["d"], {}), ("Mul", ["d", "w1"], ["y"], {})], [fl(2, 4), fl(4)], {"e": np.array(1e-6)})
# windows
one("Conv", fl(2, 3, 5, 4), fl(2, 3, 3, 2), fl(2), name="Conv 2-D")
one("Conv", fl(1, 2, 6, 5), fl(4, 2, 3, 3), strides=[2, 1], pads=[1, 0, 2, 1], dilations=[1, 2], name="Conv strides pads dilations")
one("Conv", fl(2, 4, 5), fl(6, 2, 3), fl(6), group=2, pads=[1, 1], name="Conv 1-D groups")
one("Conv", fl(1, 3, 4, 4), fl(3, 1, 2, 2), group=3, name="Conv depthwise")
one("Conv", fl(1, 1, 5, 5), fl(1, 1, 3, 3), auto_pad="SAME_UPPER", strides=[2, 2], name="Conv auto_pad")
one("MaxPool", fl(1, 2, 5, 4), kernel_shape=[2, 2], strides=[2, 2])
one("MaxPool", fl(1, 1, 5, 5), kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2], name="MaxPool pads")
one("MaxPool", fl(1, 1, 6), kernel_shape=[3], strides=[2], ceil_mode=1, name="MaxPool 1-D ceil")
one("AveragePool", fl(1, 2, 4, 4), kernel_shape=[2, 2], strides=[2, 2])
one("AveragePool", fl(1, 1, 5, 5), kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2], name="AveragePool pads excluded")
one("AveragePool", fl(1, 1, 5, 5), kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2], count_include_pad=1, name="AveragePool pads included")
one("AveragePool", fl(1, 1, 6, 6), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, opset=19, name="AveragePool ceil")
one("GlobalAveragePool", fl(2, 3, 2, 2))
one("GlobalMaxPool", fl(2, 3, 2, 2))
# sequences, as unoptimised exports write torch.split and torch.chunk
case("SplitToSequence by extent", [("SplitToSequence", ["w0", "s"], ["q"], {"axis": 1}), ("SequenceAt", ["q", "i"], ["a"], {}),
     ("SequenceAt", ["q", "j"], ["b"], {}), ("Mul", ["a", "b"], ["y"], {})], [fl(2, 5)], {"s": np.array(2), "i": np.array(1), "j": np.array(-3)})
case("SplitToSequence by extents", [("SplitToSequence", ["w0", "s"], ["q"], {"axis": 0}), ("SequenceAt", ["q", "i"], ["a"], {}),
     ("Mul", ["a", "a"], ["y"], {})], [fl(3, 2)], {"s": ints(1, 2), "i": np.array(1)})
case("SplitToSequence one by one", [("SplitToSequence", ["w0"], ["q"], {"axis": 1, "keepdims": 0}), ("SequenceAt", ["q", "i"], ["a"], {}),
     ("Mul", ["a", "a"], ["y"], {})], [fl(2, 3)], {"i": np.array(2)})

out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "operators.json")
with open(out, "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")
print(len(cases), os.path.getsize(out))
