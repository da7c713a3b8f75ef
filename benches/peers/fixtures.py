"""Time and memory of the Hessian of each network of tests/data: breakeven beside torch.func.hessian and jax.hessian.

    python benches/peers/fixtures.py target/release/breakeven [NETWORK …] [--threads N]

needs torch, jax, onnx and numpy. The peers' networks are read from the same ONNX graph by onnx_network.py; their loss and
gradient are compared with breakeven's before anything else. Every program runs alone in a process of its own, on the same
snapshot, batch and float64, with the same number of threads; the time is that of the Hessian alone for the peers (compiling is
not counted, nor torch's first call) and, for breakeven, of the whole command `measure --export-hessian` (reading, assembling,
measuring, writing), and of the same command with the matrix reused, so that the difference is the assembly. Above N = 2,000 one
call of either peer does not fit into memory: there the same forward-over-reverse columns run in chunks of 128.
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
GRAPH = "model_legacy17.onnx"
NETWORKS = ["mlp_relu_small", "mlp_tanh_digits", "cnn_digits", "mlp_relu_digits", "gpt_char", "bert_char"]


# columns of the peers' Hessians that are carried at once where all of them do not fit
CHUNK = 128


def peer(which, name, threads, out):
    """Seconds and peak memory of one peer, alone in this process; the matrix in state_dict order goes to `out`."""
    os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'} intra_op_parallelism_threads={threads}"
    from onnx_network import Jax, Network, Torch

    network = Network(os.path.join(DATA, name), GRAPH)
    flat = network.flat(network.truth["onnx"]["weights_of"])
    n, whole = len(flat), len(flat) < 2000
    if which == "torch":
        import torch

        torch.set_num_threads(threads)
        loss, v = network.loss(Torch()), torch.tensor(flat)
        value, gradient = (float(r) if r.dim() == 0 else r.numpy() for r in (loss(v), torch.func.grad(loss)(v)))
        if whole:
            run = lambda: torch.func.hessian(loss)(v).numpy()
        else:
            product = lambda t: torch.func.jvp(torch.func.grad(loss), (v,), (t,))[1]
            run = lambda: torch.func.vmap(product, chunk_size=CHUNK)(torch.eye(n, dtype=torch.float64)).numpy()
    else:
        import jax
        import jax.numpy as jnp

        ops = Jax()
        loss, v = network.loss(ops), jnp.asarray(flat)
        value, gradient = (np.asarray(r) for r in jax.jit(jax.value_and_grad(loss))(v))
        if whole:
            compiled = jax.jit(jax.hessian(loss)).lower(v).compile()
            run = lambda: np.asarray(compiled(v))
        else:
            product = lambda v, t: jax.jvp(jax.grad(loss), (v,), (t,))[1]
            some = jax.jit(jax.vmap(product, (None, 0))).lower(v, jnp.zeros((CHUNK, n))).compile()

            def run():
                h = np.empty((n, n))
                for at in range(0, n, CHUNK):
                    rows = min(CHUNK, n - at)
                    unit = np.zeros((CHUNK, n))
                    unit[range(rows), range(at, at + rows)] = 1
                    h[at : at + rows] = np.asarray(some(v, unit))[:rows]
                return h

    if whole and which == "torch":
        run()
    start = time.perf_counter()
    h = run()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    np.savez(out, h=h, gradient=gradient, loss=value)
    print(json.dumps({"seconds": seconds, "kib": peak}))


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
    for name in a.networks or NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            run_folder = os.path.join(DATA, name)
            truth = json.load(open(os.path.join(run_folder, "truth", "truth.json")))
            step = truth["onnx"]["weights_of"]
            matrix = os.path.join(folder, "H.npy")
            base = [a.program, "measure", run_folder, "--graph", GRAPH, "--snapshots", step + ".safetensors"]
            base += ["--threads", str(a.threads), "--scope", "full", "--quiet", "--format", "json"]
            own, own_kib = peak(base + ["--export-hessian", matrix])
            rest, _ = peak(base + ["--reuse-hessian", matrix])
            h, about = np.load(matrix), json.load(open(matrix + ".json"))
            # rows in the order of the sidecar
            offsets, at = {}, 0
            for p in truth["parameters"]:
                offsets[p["name"]] = at
                at += p["size"]
            order = np.concatenate([np.arange(offsets[b["name"]], offsets[b["name"]] + b["size"]) for b in about["block"]])
            row = [name, str(len(h)), f"{own:.2f}", f"{rest:.2f}", f"{max(own - rest, 0):.2f}", f"{own_kib / 1024:.0f}"]
            off = []
            for which in ["torch", "jax"]:
                out = os.path.join(folder, which + ".npz")
                command = [sys.executable, os.path.abspath(__file__), a.program, name, "--threads", str(a.threads), "--peer", which, "--out", out]
                told = json.loads(timed(command)[1].strip().splitlines()[-1])
                other = np.load(out)
                # the peer's network is the same function, before its Hessian is compared
                assert abs(about["loss"] / other["loss"] - 1) < 1e-12, (name, which, about["loss"], other["loss"])
                g = other["gradient"][order]
                assert np.abs(g - about["gradient"]).max() < 1e-9 * np.abs(g).max(), (name, which)
                their = other["h"][np.ix_(order, order)]
                row += [f"{told['seconds']:.2f}", f"{told['kib'] / 1024:.0f}"]
                off.append(f"{np.abs(h - their).max() / np.abs(their).max():.1e}")
            print("| " + " | ".join(row + off) + " |", flush=True)


if __name__ == "__main__":
    main()
