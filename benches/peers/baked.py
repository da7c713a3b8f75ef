"""Ground truth of the transformers of tests/data with the constants that each export holds.

    python benches/peers/baked.py OUT [NETWORK …] [--graph legacy17|dynamo18] [--brief]

needs torch, numpy, onnx. For each export, OUT/NETWORK/GRAPH/{truth.json, SNAPSHOT.npz} in the form of tests/data/*/truth: loss
and gradient of every snapshot; for the snapshot that was exported the Hessian (forward over reverse), the generalised
Gauss-Newton matrix (JᵀSJ from the logits' Jacobian) and the empirical Fisher matrix (a sample is a sequence), whole and per
tensor: ends of the spectrum, inertia, κ, d and dropped mass. `--brief` leaves the matrices out but for three columns of H,
which is what tests/data/NETWORK/baked_GRAPH.npz holds (`python benches/peers/baked.py OUT --brief`, then copied).
"""
import argparse
import json
import os

import numpy as np
import torch

from onnx_network import Network, Torch

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "data")
THRESHOLDS = [0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8]


def figures(h, values=None):
    """The figures of truth.json of one symmetric matrix."""
    values = np.linalg.eigvalsh(h) if values is None else values
    top = np.abs(values).max()
    if top == 0:
        return {"zero": True}
    line = len(h) * 2.0**-52 * top
    largest = np.abs(h).max()
    damping = 5e-3 * largest
    damped, folded = np.abs(values + damping), np.abs(values) + damping
    return {
        "lambda_max": values[-1],
        "lambda_min": values[0],
        "abs_max": top,
        "abs_min": np.abs(values).min(),
        "tol": line,
        "n_pos": int((values > line).sum()),
        "n_neg": int((values < -line).sum()),
        "n_zero": int((np.abs(values) <= line).sum()),
        "n_near_zero_1e10": int((np.abs(values) <= 1e-10 * top).sum()),
        "max_abs_entry": largest,
        "damping": damping,
        "kappa_damped": damped.max() / damped.min(),
        "kappa_abs_damped": folded.max() / folded.min(),
    }


def sparsity(h):
    """d, entries and dropped mass at every threshold."""
    out, largest, norm = {}, np.abs(h).max(), np.linalg.norm(h)
    for t in THRESHOLDS:
        kept = np.abs(h) > t * largest
        dropped = np.linalg.norm(h[~kept])
        out[f"thr_{t:g}"] = {"d_max": int(kept.sum(1).max()), "nnz": int(kept.sum()), "rel_fro_dropped": dropped / norm}
    return out


def gauss_newton(network, v):
    """JᵀSJ of mean cross-entropy."""
    ops = Torch()
    y = network.y.reshape(-1)
    rows = np.nonzero(y != network.truth["loss"].get("ignore_index", -100))[0]
    logits = lambda v: network.logits(ops, v).reshape(len(y), -1)[rows]
    jacobian = torch.func.jacrev(logits, chunk_size=256)(v)
    p = torch.softmax(logits(v), -1)
    inner = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    weighted = torch.einsum("rab,rbn->ran", inner / len(rows), jacobian)
    n = len(v)
    g = (weighted.reshape(-1, n).T @ jacobian.reshape(-1, n)).numpy()
    return (g + g.T) / 2


def fisher(network, v):
    """(1/n)·Σ g_i·g_iᵀ, g_i the gradient of n times the i-th sequence's contribution to the loss; the factor."""
    ops = Torch()
    y = network.y
    known = y != network.truth["loss"].get("ignore_index", -100)
    columns = []
    for i in range(len(y)):
        z = network.logits(ops, v)
        logp = torch.log_softmax(z, -1)[i][known[i]]
        target = torch.tensor(y[i][known[i]])
        part = -logp[torch.arange(len(target)), target].sum() / known.sum()
        (g,) = torch.autograd.grad(part, v)
        columns.append(g.numpy() * len(y) ** 0.5)
    return np.stack(columns, 1)


def of_graph(name, graph, out, brief):
    network = Network(os.path.join(DATA, name), f"model_{graph}.onnx")
    os.makedirs(out, exist_ok=True)
    loss, exported = network.loss(Torch()), network.truth["onnx"]["weights_of"]
    truth = {"snapshots": {}}
    for stem in network.truth["snapshots"]:
        v = torch.tensor(network.flat(stem), requires_grad=True)
        value = loss(v)
        (gradient,) = torch.autograd.grad(value, v)
        arrays = {"grad": gradient.numpy()}
        case = {"loss": value.item(), "grad_norm": float(np.linalg.norm(gradient.numpy()))}
        if stem == exported:
            at = v.detach()
            index = np.array([1, len(at) // 2, len(at) - 1])
            unit = torch.zeros(len(index), len(at), dtype=torch.float64)
            unit[range(len(index)), index] = 1
            product = lambda t: torch.func.jvp(torch.func.grad(loss), (at,), (t,))[1]
            arrays["columns_index"] = index
            arrays["columns"] = np.stack([product(t).numpy() for t in unit], 1)
            if not brief:
                h = torch.func.vmap(product, chunk_size=64)(torch.eye(len(at), dtype=torch.float64)).numpy()
                h = (h + h.T) / 2
                print(name, graph, "Hessian", flush=True)
                arrays["diag"], arrays["eigvals"] = np.diagonal(h).copy(), np.linalg.eigvalsh(h)
                case["spectrum"], case["sparsity"] = figures(h, arrays["eigvals"]), sparsity(h)
                case["blocks"] = of_blocks(network, h)
                del h
                g = gauss_newton(network, at)
                print(name, graph, "Gauss-Newton", flush=True)
                case["ggn"], case["ggn_blocks"] = figures(g), of_blocks(network, g)
                del g
                f = fisher(network, v)
                some = np.linalg.eigvalsh(f.T @ f)
                values = np.concatenate([np.zeros(len(f) - len(some)), np.maximum(some, 0)])
                f = f @ f.T
                case["ef"], case["ef_blocks"] = figures(f, values), of_blocks(network, f)
        truth["snapshots"][stem] = case
        np.savez_compressed(os.path.join(out, stem + ".npz"), loss=value.item(), **arrays)
    json.dump(truth, open(os.path.join(out, "truth.json"), "w"), indent=1)


def of_blocks(network, h):
    out, at = {}, 0
    for name, shape in network.parameters:
        size = int(np.prod(shape))
        out[name] = figures(h[at : at + size, at : at + size])
        at += size
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("networks", nargs="*", default=["gpt_char", "bert_char"])
    parser.add_argument("--graph", choices=["legacy17", "dynamo18"], action="append")
    parser.add_argument("--brief", action="store_true")
    a = parser.parse_args()
    torch.set_num_threads(1)
    for name in a.networks or ["gpt_char", "bert_char"]:
        for graph in a.graph or ["legacy17", "dynamo18"]:
            of_graph(name, graph, os.path.join(a.out, name, graph), a.brief)


if __name__ == "__main__":
    main()
