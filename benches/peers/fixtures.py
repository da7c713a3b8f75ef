"""Time and memory of the Hessian of each network of tests/data: breakeven beside torch.func.hessian and jax.hessian.

    python benches/peers/fixtures.py target/release/breakeven [NETWORK …] [--threads N]

needs torch, jax and numpy. Every program runs alone in a process
of its own, on the same snapshot, batch and float64, with the same number of threads; the time is that of the Hessian alone
for the peers (second call: compiling is not counted) and, for breakeven, of the whole command `measure --export-hessian`
(reading, assembling, measuring, writing), and of the same command with the matrix reused, so that the difference is the assembly.
Memory is the peak resident set of each process. The largest difference of the matrices, relative to max|H|, stands beside.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "data")
NETWORKS = ["mlp_relu_small", "mlp_tanh_digits", "cnn_digits", "mlp_relu_digits", "gpt_char", "bert_char"]


def load(name):
    folder = os.path.join(DATA, name)
    truth = json.load(open(os.path.join(folder, "truth", "truth.json")))
    step = truth["onnx"]["weights_of"]
    state = np.load(os.path.join(folder, step + ".npz"))
    names = [p["name"] for p in truth["parameters"]]
    batch = np.load(os.path.join(folder, "batch.npz"))
    return truth, step, names, {n: state[n].astype(np.float64) for n in names}, batch["x"], batch["y"]


def forward(name, np_like, p, x):
    """The networks that are small enough to be written down here: logits from parameters; None for the others."""
    xp, softplus_free = np_like
    if name.startswith("mlp"):
        act = xp.tanh if "tanh" in name else softplus_free
        h = x
        layers = sorted({int(k.split(".")[1]) for k in p})
        for i in layers:
            h = h @ p[f"layers.{i}.weight"].T + p[f"layers.{i}.bias"]
            if i != layers[-1]:
                h = act(h)
        return h
    return None


def peer(which, name, threads, out):
    os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'} intra_op_parallelism_threads={threads}"
    truth, _, names, params, x, y = load(name)
    sizes = [(n, params[n].shape) for n in names]
    flat = np.concatenate([params[n].ravel() for n in names])

    def split(v):
        p, at = {}, 0
        for n, s in sizes:
            k = int(np.prod(s)) if s else 1
            p[n] = v[at : at + k].reshape(s)
            at += k
        return p

    if which == "torch":
        import torch
        import torch.nn.functional as F

        torch.set_num_threads(threads)
        xt, yt, v = torch.tensor(x, dtype=torch.float64), torch.tensor(y), torch.tensor(flat)
        loss = lambda v: F.cross_entropy(forward(name, (torch, torch.relu), split(v), xt), yt)
        run = lambda: torch.func.hessian(loss)(v).numpy()
    else:
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_enable_x64", True)
        xj, yj = jnp.asarray(x, dtype=jnp.float64), jnp.asarray(y)

        def loss(v):
            z = forward(name, (jnp, jax.nn.relu), split(v), xj)
            return -jnp.mean(jax.nn.log_softmax(z)[jnp.arange(len(yj)), yj])

        compiled = jax.jit(jax.hessian(loss))
        run = lambda: np.asarray(compiled(jnp.asarray(flat)))
    run()
    start = time.perf_counter()
    h = run()
    seconds = time.perf_counter() - start
    np.save(out, h)
    print(json.dumps({"seconds": seconds, "kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


def timed(command):
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.communicate()
    seconds = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"{' '.join(command)}: {err}")
    return seconds, out


def peak(command):
    """Peak resident set of a child, from a process that has no other child."""
    code = (
        "import subprocess,resource,sys,json,time;t=time.perf_counter();"
        "p=subprocess.run(sys.argv[1:],capture_output=True,text=True);s=time.perf_counter()-t;"
        "print(json.dumps([p.returncode,p.stderr[-400:],s,resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))"
    )
    code, err, seconds, kib = json.loads(subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True).stdout)
    if code:
        sys.exit(f"{' '.join(command)}: {err}")
    return seconds, kib


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.peer:
        return peer(a.peer, a.networks[0], a.threads, a.out)
    print("| network | N | breakeven: all [s] | without assembly [s] | assembly [s] | peak [MiB] | torch.func.hessian [s] | peak [MiB] | jax.hessian [s] | peak [MiB] | off torch | off jax |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for name in a.networks:
        with tempfile.TemporaryDirectory() as folder:
            truth, step, names, params, _, _ = load(name)
            matrix = os.path.join(folder, "H.npy")
            base = [a.program, "measure", os.path.join(DATA, name), "--graph", "model_legacy17.onnx", "--snapshots", step + ".npz"]
            base += ["--threads", str(a.threads), "--scope", "full", "--quiet", "--format", "json"]
            own, own_kib = peak(base + ["--export-hessian", matrix])
            rest, _ = peak(base + ["--reuse-hessian", matrix])
            h = np.load(matrix)
            # rows in the order of the sidecar
            about = json.load(open(matrix + ".json"))
            offsets, at = {}, 0
            for n in names:
                offsets[n] = at
                at += params[n].size
            order = np.concatenate([np.arange(offsets[b["name"]], offsets[b["name"]] + b["size"]) for b in about["block"]])
            row = [name, str(len(h)), f"{own:.2f}", f"{rest:.2f}", f"{max(own - rest, 0):.2f}", f"{own_kib / 1024:.0f}"]
            off = []
            for which in ["torch", "jax"]:
                if forward_known(name):
                    out = os.path.join(folder, which + ".npy")
                    command = [sys.executable, os.path.abspath(__file__), a.program, name, "--threads", str(a.threads), "--peer", which, "--out", out]
                    told = json.loads(timed(command)[1].strip().splitlines()[-1])
                    other = np.load(out)[np.ix_(order, order)]
                    row += [f"{told['seconds']:.2f}", f"{told['kib'] / 1024:.0f}"]
                    off.append(f"{np.abs(h - other).max() / np.abs(other).max():.1e}")
                else:
                    row += ["—", "—"]
                    off.append("—")
            print("| " + " | ".join(row + off) + " |", flush=True)


def forward_known(name):
    return name.startswith("mlp")


if __name__ == "__main__":
    main()
