"""Trainings beside the peers: one Q-Newton step in jax, the ONNX files in onnxruntime.

    python benches/peers/training.py step --mnist DIR [--threads 2] [--reps 3] [--solve lu,inv,chol]
    python benches/peers/training.py onnx
    python benches/peers/training.py fisher

(requirements: jax, numpy, safetensors, onnx, onnxruntime; build first with cargo build --release)

step    784-16-16-10, batch 2048, a block for each tensor, lambda = 5e-3*(max|h|+1e-6), f32, on MNIST (IDX files in DIR).
        Breakeven trains one step; jax makes the same step from the same weights and batch: for each tensor jax.hessian,
        damping and solve, all in one jitted function, compiled and run once before it is timed. Both losses after the
        step are printed: they must agree. Repetitions alternate, three short ones of Breakeven with one
        of each jax form. `lu` is jnp.linalg.solve, `chol` a Cholesky solve (the
        blocks of a ReLU network are semidefinite), `inv` the explicit inverse that Q-Newton's code forms.
onnx    Trains every kind of network and compares the outputs of model.onnx in onnxruntime (single precision) with a
        float64 evaluation of the same file and weights, and the loss of onnxruntime with the loss that was reported.
fisher  Empirical-Fisher steps of a transformer of the published sizes (hidden 64, 3 layers, feed-forward 256, batch 128):
        wall time and peak memory of the whole program.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target" / "release" / "breakeven"
FLOOR, ETA = 1e-6, 5e-3


def train(out, *options, threads=2, measure=False):
    """Runs the program; its summary, and its peak memory in MiB where that is asked."""
    command = [str(PROGRAM), "train", "--out", str(out), "--format", "json", "--quiet", "--threads", str(threads), *options]
    if measure:
        command = ["/usr/bin/time", "-v", *command]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    summary = json.loads(done.stdout)
    if measure:
        peak = re.search(r"Maximum resident set size \(kbytes\): (\d+)", done.stderr)
        summary["peak_mib"] = int(peak.group(1)) / 1024 if peak else float("nan")
    return summary


# ---------------------------------------------------------------- one step
def jax_step(run, solver, reps):
    """The step in jax, in this process; prints one JSON object."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    from safetensors.numpy import load_file

    start = load_file(run / "q-newton_0000.safetensors")
    names = list(start)
    theta = [jnp.asarray(start[n], jnp.float32) for n in names]
    batch = np.load(run / "batch.npz")
    x, y = jnp.asarray(batch["x"], jnp.float32), jnp.asarray(batch["y"])
    layers = len(names) // 2

    def loss(theta, x, y):
        named = dict(zip(names, theta))
        for i in range(layers):
            x = x @ named[f"layers.{i}.weight"].T + named[f"layers.{i}.bias"]
            x = jax.nn.relu(x) if i + 1 < layers else x
        return jnp.mean(jax.nn.logsumexp(x, axis=-1) - jnp.take_along_axis(x, y[:, None], 1)[:, 0])

    def step(theta, x, y):
        gradient = jax.grad(loss)(theta, x, y)
        out = []
        for i, (t, g) in enumerate(zip(theta, gradient)):
            n = t.size
            one = lambda part: loss([part if j == i else other for j, other in enumerate(theta)], x, y)
            h = jax.hessian(one)(t).reshape(n, n)
            h = h + ETA * (jnp.max(jnp.abs(h)) + FLOOR) * jnp.eye(n, dtype=h.dtype)
            if solver == "lu":
                p = jnp.linalg.solve(h, g.reshape(n))
            elif solver == "chol":
                p = jax.scipy.linalg.solve(h, g.reshape(n), assume_a="pos")
            else:
                p = jnp.linalg.inv(h) @ g.reshape(n)
            out.append(t - p.reshape(t.shape))
        return out

    compiled = jax.jit(step).lower(theta, x, y).compile()
    after = jax.block_until_ready(compiled(theta, x, y))
    times = []
    for _ in range(reps):
        begin = time.perf_counter()
        after = jax.block_until_ready(compiled(theta, x, y))
        times.append(time.perf_counter() - begin)
    print(json.dumps({"seconds": times, "before": float(loss(theta, x, y)), "after": float(loss(after, x, y))}))


def step(args):
    """Breakeven and jax in turn."""
    print(f"784-16-16-10, batch 2048, f32, blocks per tensor, {args.threads} threads")
    options = f"--data mnist:{args.mnist} --network mlp:784-16-16-10 --optimizer q-newton --lr 1 --precision f32".split()
    options += "--samples 2048 --held-out 0 --steps 1 --seed 1".split()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS")}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        ours, peers, losses = [], {s: [] for s in args.solve}, {}
        for rep in range(args.reps):
            for again in range(3):
                run = folder / f"run{rep}-{again}"
                summary = train(run, *options, threads=args.threads)
                ours.append(summary["seconds"])
                losses["breakeven"] = summary["loss"]
            for solver in args.solve:
                command = [sys.executable, __file__, "jax", str(run), solver]
                cores = ",".join(str(c) for c in sorted(os.sched_getaffinity(0))[: args.threads])
                done = subprocess.run(["taskset", "-c", cores, *command], capture_output=True, text=True, env=environment)
                if done.returncode != 0:
                    sys.exit(done.stderr)
                found = json.loads(done.stdout.splitlines()[-1])
                peers[solver] += found["seconds"]
                losses[f"jax {solver}"] = found["after"]
    best = min(ours)
    print(f"{'':14} {'least s':>9} {'median s':>9} {'ratio':>7} {'loss after':>12}")
    median = lambda v: sorted(v)[len(v) // 2]
    print(f"{'breakeven':14} {best:9.3f} {median(ours):9.3f} {1.0:7.2f} {losses['breakeven']:12.6f}")
    for solver, seconds in peers.items():
        name = f"jax {solver}"
        print(f"{name:14} {min(seconds):9.3f} {median(seconds):9.3f} {median(seconds) / median(ours):7.2f} {losses[name]:12.6f}")


# ---------------------------------------------------------------- onnxruntime
def onnx(_):
    """Outputs and losses of every kind of network."""
    import numpy as np
    import onnx
    import onnxruntime
    from onnx.reference import ReferenceEvaluator

    rows = [
        ("digits", "mlp:64-16-10", "q-newton"),
        ("digits", "mlp:64-16-16-10:gelu", "adam"),
        ("digits", "mlp:64-16-10:tanh", "newton"),
        ("digits", "cnn", "sgd"),
        ("text", "bert:32,2,4,64", "adam"),
        ("text", "gpt:32,2,4,64", "adam"),
    ]
    worst = 0.0
    print(f"{'network':24} {'max |ort - f64|':>16} {'loss ort':>12} {'loss reported':>14}")
    with tempfile.TemporaryDirectory() as folder:
        for i, (data, network, optimizer) in enumerate(rows):
            run = pathlib.Path(folder) / str(i)
            lr = ["--lr", "3e-3"] if optimizer == "adam" else []
            summary = train(run, "--data", data, "--network", network, "--optimizer", optimizer, "--steps", "5", "--samples", "96", *lr)
            model = onnx.load(run / "model.onnx")
            onnx.checker.check_model(model, full_check=True)
            batch = np.load(run / "batch.npz")
            (out,) = onnxruntime.InferenceSession(run / "model.onnx").run(None, {"x": batch["x"]})
            (wide,) = ReferenceEvaluator(double(model)).run(None, {"x": batch["x"].astype(np.float64) if batch["x"].dtype.kind == "f" else batch["x"]})
            difference = float(np.abs(out - wide).max())
            z, y = out.reshape(-1, out.shape[-1]).astype(np.float64), batch["y"].reshape(-1)
            z, y = z[y != -100], y[y != -100]
            top = z.max(-1, keepdims=True)
            lse = top[:, 0] + np.log(np.exp(z - top).sum(-1))
            loss = float((lse - z[np.arange(len(y)), y]).mean())
            worst = max(worst, difference, abs(loss - summary["loss"]))
            print(f"{network:24} {difference:16.2e} {loss:12.7f} {summary['loss']:14.7f}")
    print(f"largest difference {worst:.2e}: {'ok' if worst < 1e-5 else 'ABOVE 1e-5'}")
    sys.exit(0 if worst < 1e-5 else 1)


def double(model):
    """The same graph in double precision, for the reference evaluator of the onnx package."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    for tensor in wide.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))
    for value in [*wide.graph.input, *wide.graph.output]:
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
            value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    return wide


# ---------------------------------------------------------------- Fisher blocks
def fisher(args):
    """Steps of the published transformer sizes."""
    print(f"hidden 64, 3 layers, 4 heads, feed-forward 256, batch 128, empirical Fisher, {args.threads} threads")
    print(f"{'network':18} {'scope':7} {'precision':9} {'parameters':>10} {'s/step':>8} {'peak MiB':>9}  largest block")
    for network in ("bert:64,3,4,256", "gpt:64,3,4,256"):
        for scope in ("layers", "module"):
            with tempfile.TemporaryDirectory() as folder:
                run = pathlib.Path(folder) / "run"
                summary = train(run, "--data", "text", "--network", network, "--optimizer", "q-newton", "--curvature", "empirical-fisher",
                                "--scope", scope, "--batch", "128", "--samples", "128", "--held-out", "0", "--steps", "3",
                                threads=args.threads, measure=True)
                lines = (run / "train" / "q-newton.jsonl").read_text().splitlines()
                solves = json.loads(lines[-1])["solves"]
                top = max(solves, key=lambda s: s["n"])
                print(f"{network:18} {scope:7} {'f64':9} {summary['n']:10} {summary['seconds'] / 3:8.2f} {summary['peak_mib']:9.0f}"
                      f"  {top['block']}: N = {top['n']}, rank {top['rank']}, {top['method']}")


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "jax":
        jax_step(pathlib.Path(sys.argv[2]), sys.argv[3], 1)
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["step", "onnx", "fisher"])
    parser.add_argument("--mnist", help="folder of MNIST IDX files")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--reps", type=int, default=1)
    parser.add_argument("--solve", type=lambda s: s.split(","), default=["lu"])
    args = parser.parse_args()
    if args.what == "step" and not args.mnist:
        parser.error("step needs --mnist DIR")
    {"step": step, "onnx": onnx, "fisher": fisher}[args.what](args)


if __name__ == "__main__":
    main()
