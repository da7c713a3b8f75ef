"""The meaning of an ONNX graph in torch or jax arrays, float64: the peers' way to the networks of tests/data.

    network = Network(folder, "model_legacy17.onnx")
    loss = network.loss(Torch(), exact=False)       # loss(flat parameters in state_dict order)

Written from the operators' definitions in the ONNX specification, not from breakeven's code. Only what the graphs of
tests/data use is understood. Constants are taken as stored and widened; `exact` puts √2, √8, 8^(−1/4), 0.044715 and √(2/π) in
double precision in their place, which is the network that tests/data/*/truth was computed from.
Needs numpy, onnx, and torch or jax.
"""
import json
import math
import os

import numpy as np
import onnx
from onnx import numpy_helper

EXACT = [math.sqrt(2), math.sqrt(8), 8**-0.25, 0.044715, math.sqrt(2 / math.pi)]


class Torch:
    """float64 torch tensors."""

    def __init__(self):
        import torch

        self.t = torch

    def array(self, a):
        return self.t.tensor(np.asarray(a, dtype=np.float64))

    def matmul(self, a, b):
        return self.t.matmul(a, b)

    def transpose(self, a, axes):
        return a.permute(*axes)

    def take(self, a, index, axis):
        index = np.asarray(index)
        flat = self.t.index_select(a, axis, self.t.tensor(index.reshape(-1)))
        return flat.reshape(*a.shape[:axis], *index.shape, *a.shape[axis + 1 :])

    def where(self, c, a, b):
        return self.t.where(self.t.tensor(c) if isinstance(c, np.ndarray) else c, a, b)

    def concat(self, parts, axis):
        return self.t.cat(parts, axis)

    def expand(self, a, shape):
        return self.t.broadcast_to(a, self.t.broadcast_shapes(a.shape, tuple(shape)))

    def mean(self, a, axis):
        return a.mean(axis, keepdim=True)

    def log_softmax(self, a):
        return self.t.log_softmax(a, -1)

    def conv(self, x, w, b, strides, pads, dilations, groups):
        assert pads[:2] == pads[2:]
        return self.t.nn.functional.conv2d(x, w, b, strides, pads[:2], dilations, groups)

    def pad(self, x, pads, value):
        top, left, bottom, right = pads
        return self.t.nn.functional.pad(x, (left, right, top, bottom), value=value)

    def __getattr__(self, name):
        return getattr(self.t, {"erf": "erf", "tanh": "tanh", "relu": "relu", "sqrt": "sqrt", "exp": "exp", "sum": "sum"}[name])


class Jax:
    """float64 jax arrays."""

    def __init__(self):
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_enable_x64", True)
        self.j, self.n = jax, jnp
        self.erf, self.relu = jax.scipy.special.erf, jax.nn.relu
        self.tanh, self.sqrt, self.exp, self.sum = jnp.tanh, jnp.sqrt, jnp.exp, jnp.sum

    def array(self, a):
        return self.n.asarray(np.asarray(a, dtype=np.float64))

    def matmul(self, a, b):
        return self.n.matmul(a, b)

    def transpose(self, a, axes):
        return self.n.transpose(a, axes)

    def take(self, a, index, axis):
        return self.n.take(a, np.asarray(index), axis)

    def where(self, c, a, b):
        return self.n.where(c, a, b)

    def concat(self, parts, axis):
        return self.n.concatenate(parts, axis)

    def expand(self, a, shape):
        return self.n.broadcast_to(a, np.broadcast_shapes(a.shape, tuple(int(s) for s in shape)))

    def mean(self, a, axis):
        return a.mean(axis, keepdims=True)

    def log_softmax(self, a):
        return self.j.nn.log_softmax(a)

    def conv(self, x, w, b, strides, pads, dilations, groups):
        y = self.j.lax.conv_general_dilated(
            x, w, strides, [(pads[0], pads[2]), (pads[1], pads[3])], rhs_dilation=dilations, feature_group_count=groups
        )
        return y if b is None else y + b.reshape(1, -1, 1, 1)

    def pad(self, x, pads, value):
        top, left, bottom, right = pads
        return self.n.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def fixed(value):
    """Whether a value is a numpy array of the graph's arithmetic (extents, indices, masks, constants)."""
    return isinstance(value, (np.ndarray, np.generic))


class Network:
    """A network of tests/data through one of its graphs."""

    def __init__(self, folder, graph):
        self.model = onnx.load(os.path.join(folder, graph)).graph
        self.truth = json.load(open(os.path.join(folder, "truth", "truth.json")))
        self.parameters = [(p["name"], tuple(p["shape"])) for p in self.truth["parameters"]]
        self.folder = folder
        batch = np.load(os.path.join(folder, "batch.npz"))
        self.x, self.y = batch["x"], batch["y"]
        self.stored = {i.name: numpy_helper.to_array(i) for i in self.model.initializer}
        self.places = self._place(self.snapshot(self.truth["onnx"]["weights_of"]))

    def snapshot(self, stem):
        """Parameters of a snapshot as float32 arrays by name."""
        path = os.path.join(self.folder, stem)
        if os.path.exists(path + ".npz"):
            return dict(np.load(path + ".npz"))
        from safetensors.numpy import load_file

        return load_file(path + ".safetensors")

    def flat(self, stem):
        """A snapshot's parameters in state_dict order, float64."""
        state = self.snapshot(stem)
        return np.concatenate([state[n].astype(np.float64).ravel() for n, _ in self.parameters])

    def _place(self, own):
        """Initializer to parameter and orientation: the graph holds the weights of the snapshot `own`."""
        places = {}
        for name, value in self.stored.items():
            if value.dtype.kind != "f" or value.size < 2:
                continue
            squeezed = value.reshape([n for n in value.shape if n != 1])
            for parameter, array in own.items():
                if name in own and parameter != name:
                    continue
                array = array.reshape([n for n in array.shape if n != 1])
                if np.array_equal(array, squeezed):
                    places[name] = (parameter, False)
                elif array.ndim == 2 and np.array_equal(array.T, squeezed):
                    places[name] = (parameter, True)
        missing = {n for n, _ in self.parameters} - {p for p, _ in places.values()}
        assert not missing, missing
        return places

    def split(self, v):
        """The parameters by name, from one vector."""
        out, at = {}, 0
        for name, shape in self.parameters:
            size = math.prod(shape)
            out[name] = v[at : at + size].reshape(shape)
            at += size
        return out

    def constant(self, array, exact):
        """A stored array, widened; with `exact`, the constants of exporters in double precision."""
        if array.dtype.kind != "f":
            return array
        wide = array.astype(np.float64)
        if exact and wide.size == 1:
            for e in EXACT:
                if abs(wide.reshape(-1)[0] / e - 1) < 2e-7:
                    return np.full(wide.shape, e)
        return wide

    def logits(self, ops, v, exact=False):
        """The graph's output from one vector of parameters."""
        parameters = self.split(v)
        values = {"": None, self.model.input[0].name: self.x}
        for name, array in self.stored.items():
            if name in self.places:
                parameter, turned = self.places[name]
                value = parameters[parameter]
                values[name] = (ops.transpose(value, (1, 0)) if turned else value).reshape(tuple(array.shape))
            else:
                values[name] = self.constant(array, exact)
        if self.x.dtype.kind == "f":
            values[self.model.input[0].name] = self.x.astype(np.float64)
        for node in self.model.node:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            inputs = [values[i] for i in node.input]
            if node.op_type == "Constant":
                out = self.constant(numpy_helper.to_array(attributes["value"]), exact)
            else:
                out = apply(ops, node.op_type, inputs, attributes)
            for name, value in zip(node.output, out if isinstance(out, list) else [out]):
                values[name] = value
        return values[self.model.output[0].name]

    def loss(self, ops, exact=False):
        """The loss as a function of one vector: mean cross-entropy over the rows whose target is not ignored."""
        y = self.y.reshape(-1)
        rows = np.nonzero(y != self.truth["loss"].get("ignore_index", -100))[0]

        def loss(v):
            z = self.logits(ops, v, exact)
            logp = ops.log_softmax(z.reshape(-1, z.shape[-1]))
            onehot = np.zeros((len(y), z.shape[-1]))
            onehot[rows, y[rows]] = 1 / len(rows)
            return -ops.sum(logp * ops.array(onehot))

        return loss


def apply(ops, op, x, attributes):
    """One ONNX operator; arithmetic of plain numpy values stays in numpy."""
    get = attributes.get
    if op in ("Add", "Sub", "Mul", "Div", "Pow", "Equal"):
        a, b = x
        if not (fixed(a) and fixed(b)) and op != "Pow":
            a, b = (ops.array(v) if fixed(v) else v for v in (a, b))
        if op == "Div":
            whole = fixed(a) and np.asarray(a).dtype.kind == "i"
            return a // b if whole else a / b
        if op == "Pow":
            power = float(np.asarray(b).reshape(-1)[0])
            return a * a * a if power == 3 else a**power
        return {"Add": lambda: a + b, "Sub": lambda: a - b, "Mul": lambda: a * b, "Equal": lambda: a == b}[op]()
    if op == "Shape":
        shape = np.array(tuple(x[0].shape), dtype=np.int64)
        return shape[get("start", 0) : get("end", len(shape))]
    if op == "Cast":
        if not fixed(x[0]):
            return x[0]
        kind = onnx.helper.tensor_dtype_to_np_dtype(get("to"))
        return x[0].astype(np.float64 if np.dtype(kind).kind == "f" else kind)
    if op == "Gather":
        axis = get("axis", 0)
        return np.take(x[0], x[1], axis) if fixed(x[0]) else ops.take(x[0], x[1], axis)
    if op == "Concat":
        return np.concatenate(x, get("axis")) if all(map(fixed, x)) else ops.concat(x, get("axis"))
    if op == "Unsqueeze":
        return np.expand_dims(x[0], tuple(int(a) for a in np.atleast_1d(x[1])))
    if op == "Slice":
        starts, ends = x[1], x[2]
        axes = x[3] if len(x) > 3 and x[3] is not None else range(len(starts))
        steps = x[4] if len(x) > 4 and x[4] is not None else [1] * len(starts)
        cut = [slice(None)] * len(x[0].shape)
        for axis, start, end, step in zip(axes, starts, ends, steps):
            assert step == 1
            length = x[0].shape[axis]
            low = max(int(start) + length, 0) if start < 0 else min(int(start), length)
            high = max(int(end) + length, 0) if end < 0 else min(int(end), length)
            cut[int(axis)] = slice(low, high)
        return x[0][tuple(cut)]
    if op == "Sqrt":
        return np.sqrt(x[0]) if fixed(x[0]) else ops.sqrt(x[0])
    if op == "Expand":
        return np.broadcast_to(x[0], np.broadcast_shapes(x[0].shape, tuple(x[1]))) if fixed(x[0]) else ops.expand(x[0], x[1])
    if op == "Trilu":
        k = int(x[1]) if len(x) > 1 and x[1] is not None else 0
        return np.triu(x[0], k) if get("upper", 1) else np.tril(x[0], k)
    if op == "Where":
        return np.where(*x) if all(map(fixed, x)) else ops.where(*x)
    if op == "Identity":
        return x[0]
    if op == "Split":
        axis = get("axis", 0)
        length = x[0].shape[axis]
        count = get("num_outputs")
        sizes = x[1] if len(x) > 1 and x[1] is not None else [length // count] * count
        ends = np.cumsum(sizes)
        return [x[0][(slice(None),) * (axis % len(x[0].shape)) + (slice(int(e - s), int(e)),)] for s, e in zip(sizes, ends)]
    x = [ops.array(v) if fixed(v) and np.asarray(v).dtype.kind == "f" else v for v in x]
    if op == "MatMul":
        return ops.matmul(x[0], x[1])
    if op == "Gemm":
        a = ops.transpose(x[0], (1, 0)) if get("transA", 0) else x[0]
        b = ops.transpose(x[1], (1, 0)) if get("transB", 0) else x[1]
        y = get("alpha", 1.0) * ops.matmul(a, b)
        return y + get("beta", 1.0) * x[2] if len(x) > 2 and x[2] is not None else y
    if op == "Transpose":
        return ops.transpose(x[0], tuple(get("perm", range(len(x[0].shape))[::-1])))
    if op == "Reshape":
        shape = [int(s) for s in x[1]]
        shape = [x[0].shape[i] if s == 0 and not get("allowzero", 0) else s for i, s in enumerate(shape)]
        return x[0].reshape(tuple(shape))
    if op == "Flatten":
        axis = get("axis", 1)
        return x[0].reshape((math.prod(x[0].shape[:axis]), -1))
    if op == "Softmax":
        assert get("axis", -1) in (-1, len(x[0].shape) - 1)
        return ops.exp(ops.log_softmax(x[0]))
    if op in ("Erf", "Tanh", "Relu"):
        return getattr(ops, op.lower())(x[0])
    if op == "LayerNormalization":
        assert get("axis", -1) in (-1, len(x[0].shape) - 1)
        centred = x[0] - ops.mean(x[0], -1)
        # the attribute is a single-precision number
        epsilon = float(np.float32(get("epsilon", 1e-5)))
        y = centred / ops.sqrt(ops.mean(centred * centred, -1) + epsilon) * x[1]
        return y + x[2] if len(x) > 2 and x[2] is not None else y
    if op == "Conv":
        ones = [1, 1]
        bias = x[2] if len(x) > 2 else None
        return ops.conv(x[0], x[1], bias, get("strides", ones), get("pads", [0] * 4), get("dilations", ones), get("group", 1))
    if op in ("MaxPool", "AveragePool"):
        rows, columns = get("kernel_shape")
        down, across = get("strides", [1, 1])
        pads = get("pads", [0] * 4)
        assert not get("ceil_mode", 0) and get("dilations", [1, 1]) == [1, 1]
        y = x[0]
        if any(pads):
            assert op == "AveragePool" and get("count_include_pad", 0)
            y = ops.pad(y, pads, 0.0)
        height, width = (y.shape[2] - rows) // down + 1, (y.shape[3] - columns) // across + 1
        windows = [
            y[:, :, i : i + (height - 1) * down + 1 : down, j : j + (width - 1) * across + 1 : across]
            for i in range(rows)
            for j in range(columns)
        ]
        if op == "AveragePool":
            return sum(windows) / len(windows)
        best = windows[0]
        for other in windows[1:]:
            best = ops.where(other > best, other, best)
        return best
    raise NotImplementedError(op)
