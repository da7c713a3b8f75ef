"""The models of benches/peers/curvature.py for numpy-like namespaces, and what jax, torch.func and curvlinops do with them.

`jax_work` and `torch_work` return a function that does the work of one case once and blocks until it is done, and the number
of parameters. `curvature.py` runs them in processes of their own.
"""

import os
import struct
import time


def stored(x):
    """A number as a graph holds it, in f32; what the graph computes itself is computed in the precision of the case."""
    return struct.unpack("f", struct.pack("f", x))[0]


def heads(x, n, xp):
    """[b, t, d] to [b, n, t, d/n]."""
    b, t, d = x.shape
    return x.reshape(b, t, n, d // n).swapaxes(1, 2)


def norm(xp, x, w, b, eps):
    """Layer normalisation."""
    centred = x - x.mean(-1, keepdims=True)
    return centred * xp.rsqrt((centred * centred).mean(-1, keepdims=True) + eps) * w + b


def attention(xp, q, k, v, scale, mask):
    """Two heads of softmax attention."""
    q, k, v = (heads(x, 2, xp) for x in (q, k, v))
    scores = q @ k.swapaxes(2, 3) / scale
    y = xp.softmax(scores if mask is None else xp.where(mask, scores, -xp.inf)) @ v
    return y.swapaxes(1, 2).reshape(y.shape[0], y.shape[2], -1)


def mlp(xp, p, x):
    """Linear layers and ReLU."""
    names = sorted({n.rsplit(".", 1)[0] for n in p}, key=lambda n: [int(s) if s.isdigit() else s for s in n.split(".")])
    for i, n in enumerate(names):
        x = x @ p[n + ".weight"].T + p[n + ".bias"]
        x = xp.relu(x) if i + 1 < len(names) else x
    return x


def cnn(xp, p, x):
    """Two convolutions, max and average pooling, one linear layer."""
    x = xp.relu(xp.conv(x, p["conv1.weight"], 1) + p["conv1.bias"].reshape(1, -1, 1, 1))
    x = xp.pool(x, 2, True)
    x = xp.relu(xp.conv(x, p["conv2.weight"], 1) + p["conv2.bias"].reshape(1, -1, 1, 1))
    x = xp.pool(x, 2, False)
    return x.reshape(x.shape[0], -1) @ p["fc.weight"].T + p["fc.bias"]


def bert(xp, p, x):
    """Two post-norm encoder layers."""
    eps = stored(1e-12)
    lin = lambda n, h: h @ p[n + ".weight"].T + p[n + ".bias"]
    ln = lambda n, h: norm(xp, h, p[n + ".weight"], p[n + ".bias"], eps)
    h = ln("ln", p["word.weight"][x] + p["pos.weight"])
    for i in range(2):
        n = f"layer.{i}."
        a = attention(xp, lin(n + "query", h), lin(n + "key", h), lin(n + "value", h), stored(8**0.5), None)
        h = ln(n + "ln1", h + lin(n + "dense", a))
        u = lin(n + "up", h)
        h = ln(n + "ln2", h + lin(n + "down", u * 0.5 * (1 + xp.erf(u / stored(2**0.5)))))
    return lin("cls", h)


def gpt(xp, p, x):
    """Two pre-norm decoder layers, head tied to the embedding."""
    lin = lambda n, h: h @ p[n + ".weight"].T + p[n + ".bias"]
    ln = lambda n, h: norm(xp, h, p[n + ".weight"], p[n + ".bias"], stored(1e-5))
    h = p["wte.weight"][x] + p["wpe.weight"]
    for i in range(2):
        n = f"h.{i}."
        qkv = lin(n + "c_attn", ln(n + "ln1", h))
        q, k, v = (qkv[..., j * 16 : (j + 1) * 16] for j in range(3))
        h = h + lin(n + "c_proj", attention(xp, q, k, v, 8**0.5, xp.causal(x.shape[1])))
        u = lin(n + "c_fc", ln(n + "ln2", h))
        inner = stored((2 / 3.141592653589793) ** 0.5) * (u + stored(0.044715) * u * u * u)
        u = 0.5 * u * (1 + xp.tanh(inner))
        h = h + lin(n + "c_proj2", u)
    return ln("ln_f", h) @ p["wte.weight"].T


MODELS = {"mlp": mlp, "cnn_digits": cnn, "bert_char": bert, "gpt_char": gpt}


def load(folder, precision):
    """Weights, batch and targets of a run directory."""
    import numpy
    from safetensors.numpy import load_file

    weights = {k: v.astype(precision) for k, v in load_file(next(folder.glob("*.safetensors"))).items()}
    batch = numpy.load(folder / "batch.npz")
    x = batch["x"]
    return weights, (x if x.dtype.kind == "i" else x.astype(precision)), batch["y"]


def jax_work(folder, model, quantity, precision, variant):
    """A function that does the work once and blocks until it is done; its second value is a checksum."""
    import jax
    import jax.numpy as jnp
    import numpy
    from jax.flatten_util import ravel_pytree

    jax.config.update("jax_enable_x64", precision == "f64")

    class xp:
        """The few functions that the models need."""

        relu, softmax, rsqrt, erf, tanh = jax.nn.relu, jax.nn.softmax, jax.lax.rsqrt, jax.lax.erf, jnp.tanh
        where, inf = jnp.where, jnp.inf
        causal = staticmethod(lambda t: jnp.tril(jnp.ones((t, t), bool)))

        @staticmethod
        def conv(x, w, pad):
            return jax.lax.conv_general_dilated(x, w, (1, 1), ((pad, pad), (pad, pad)))

        @staticmethod
        def pool(x, n, most):
            b, c, h, w = x.shape
            x = x.reshape(b, c, h // n, n, w // n, n)
            return x.max((3, 5)) if most else x.mean((3, 5))

    weights, x, y = load(folder, "float32" if precision == "f32" else "float64")
    theta, unravel = ravel_pytree({k: jnp.asarray(v) for k, v in weights.items()})
    x, y = jnp.asarray(x), jnp.asarray(y)

    def loss(theta, x, y):
        z = MODELS[model](xp, unravel(theta), x)
        z, y = z.reshape(-1, z.shape[-1]), y.reshape(-1)
        keep = y != -100
        rows = jax.nn.logsumexp(z, -1) - jnp.take_along_axis(z, jnp.where(keep, y, 0)[:, None], 1)[:, 0]
        return jnp.where(keep, rows, 0).sum() / keep.sum()

    grad = jax.grad(loss)
    n = theta.size
    if quantity == "hessian":
        if variant == "jax_hessian":
            whole = jax.jit(jax.hessian(loss))
            return lambda: whole(theta, x, y).block_until_ready(), n
        eye = numpy.eye(n, dtype=theta.dtype) if n <= 16384 else None

        def columns(v, theta, x, y):
            return jax.vmap(lambda v: jax.jvp(lambda t: grad(t, x, y), (theta,), (v,))[1])(v)

        columns = jax.jit(columns)

        def chunked(k):
            out = numpy.empty((n, n), theta.dtype)
            for at in range(0, n, k):
                v = eye[at : at + k]
                if v.shape[0] < k:
                    v = numpy.concatenate([v, numpy.zeros((k - v.shape[0], n), v.dtype)])
                out[at : at + k] = numpy.asarray(columns(v, theta, x, y))[: n - at]
            return out

        # the chunk that suits it best, by the time of one chunk for each column
        best = None
        for k in (16, 64, 256, 1024):
            if k > 2 * n or k * x.shape[0] > 1 << 19:
                continue
            v = numpy.zeros((k, n), theta.dtype)
            columns(v, theta, x, y).block_until_ready()
            start = time.perf_counter()
            for _ in range(3):
                columns(v, theta, x, y).block_until_ready()
            each = (time.perf_counter() - start) / k
            if best is None or each < best[0]:
                best = (each, k)
        return lambda: chunked(best[1]), n
    if quantity == "column":
        sizes = {k: v.size for k, v in weights.items()}
        column = jax.jit(lambda v: jax.jvp(lambda t: grad(t, x, y), (theta,), (v,))[1])
        return lambda v: numpy.asarray(column(v)), [(k, sizes[k]) for k in sorted(sizes)]
    k = int(quantity[len("product") :])
    product = jax.linearize(lambda t: grad(t, x, y), theta)[1]
    v = jnp.asarray(numpy.random.default_rng(0).standard_normal((k, n)).astype(theta.dtype))
    once = jax.jit(product if k == 1 else jax.vmap(product))
    v = v[0] if k == 1 else v
    return lambda: once(v).block_until_ready(), n


def torch_work(folder, model, quantity, precision, variant):
    """As jax_work, with torch.func or curvlinops."""
    import numpy
    import torch
    from torch.func import functional_call, grad, jvp, vmap

    torch.set_num_threads(len(os.sched_getaffinity(0)))

    class xp:
        """The few functions that the models need."""

        relu, rsqrt, erf, tanh = torch.relu, torch.rsqrt, torch.erf, torch.tanh
        where, inf = torch.where, float("inf")
        softmax = staticmethod(lambda x: torch.softmax(x, -1))
        causal = staticmethod(lambda t: torch.tril(torch.ones((t, t), dtype=torch.bool)))
        conv = staticmethod(lambda x, w, pad: torch.nn.functional.conv2d(x, w, padding=pad))

        @staticmethod
        def pool(x, n, most):
            f = torch.nn.functional
            return f.max_pool2d(x, n) if most else f.avg_pool2d(x, n)

    weights, x, y = load(folder, "float32" if precision == "f32" else "float64")
    names = list(weights)
    params = {k: torch.tensor(v) for k, v in weights.items()}
    x, y = torch.tensor(x), torch.tensor(y)
    sizes = [params[k].numel() for k in names]
    theta = torch.cat([params[k].reshape(-1) for k in names])

    def unravel(t):
        return {k: part.reshape(params[k].shape) for k, part in zip(names, torch.split(t, sizes))}

    def loss(t):
        z = MODELS[model](xp, unravel(t), x)
        return torch.nn.functional.cross_entropy(z.reshape(-1, z.shape[-1]), y.reshape(-1))

    n = theta.numel()
    if variant == "curvlinops":
        from curvlinops import HessianLinearOperator

        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.names = names
                for k in names:
                    self.register_parameter(k.replace(".", "_"), torch.nn.Parameter(params[k].clone()))

            def forward(self, x):
                z = MODELS[model](xp, {k: getattr(self, k.replace(".", "_")) for k in self.names}, x)
                return z.reshape(-1, z.shape[-1])

        net = Net()
        named = dict(net.named_parameters())
        try:
            operator = HessianLinearOperator(
                net, torch.nn.CrossEntropyLoss(), named, [(x, y.reshape(-1))], check_deterministic=False
            )
        except Exception:  # older signatures take a list
            operator = HessianLinearOperator(
                net,
                torch.nn.CrossEntropyLoss(),
                [p for p in net.parameters()],
                [(x, y.reshape(-1))],
                check_deterministic=False,
            )
        k = int(quantity[len("product") :])
        v = torch.tensor(numpy.random.default_rng(0).standard_normal((n, k)).astype(weights[names[0]].dtype))
        v = v[:, 0] if k == 1 else v
        return lambda: operator @ v, n
    column = vmap(lambda v: jvp(grad(loss), (theta,), (v,))[1])

    def chunked(k):
        out = torch.empty((n, n), dtype=theta.dtype)
        eye = torch.eye(n, dtype=theta.dtype)
        for at in range(0, n, k):
            out[at : at + k] = column(eye[at : at + k])
        return out

    best = None
    for k in (64, 256):
        v = torch.zeros((k, n), dtype=theta.dtype)
        column(v)
        start = time.perf_counter()
        column(v)
        each = (time.perf_counter() - start) / k
        if best is None or each < best[0]:
            best = (each, k)
    return lambda: chunked(best[1]), n
