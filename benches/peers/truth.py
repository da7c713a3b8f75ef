"""Whole runs of `breakeven measure` on every network of tests/data against its ground truth.

    python benches/peers/truth.py target/release/breakeven [NETWORK …] [--graph legacy17|dynamo18] [--baked FOLDER]

needs numpy. Every snapshot, both exports, three curvatures, whole and by layers; whatever tests/data/*/truth has is
compared: loss, gradient, columns and diagonal of H, ends of the spectrum, inertia, κ of the damped matrices, d and dropped
mass at every threshold. The table has one row per network, export, curvature and scope with the largest error of each, and
a line for each figure beyond its bar; the exit code is 1 when there is one.

The exports of the transformers hold √2, √d and the constants of GELU in single precision, and the truth was computed with
the exact ones. With `--baked FOLDER` the truth of these is the one that benches/peers/baked.py recomputed from the graph's
own constants, and the bars are those of exact exports.
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
FIGURES = ["loss", "gradient", "columns", "diagonal", "λ ends", "inertia", "κ", "d", "dropped"]
# relative, but columns and diagonal to max|H|, gradient to max|g|; κ in units of 1e-6 + 1e-10·κ; counts
EXACT = [1e-10, 1e-10, 1e-11, 1e-11, 1e-9, 0, 1, 0, 1e-9]
BAKED = [1e-8, 1e-8, 1e-7, 1e-7, 1e-7, 0, 1, 0, 1e-7]
CURVATURES = {"hessian": ("spectrum", "blocks"), "ggn": ("ggn", "ggn_blocks"), "empirical-fisher": ("ef", "ef_blocks")}


class Row:
    """Largest error of each figure, and what exceeds its bar."""

    def __init__(self, bars):
        self.worst, self.bars, self.beyond, self.cases = {}, dict(zip(FIGURES, bars)), [], 0

    def note(self, figure, error, where):
        if not error <= self.worst.get(figure, -1.0):
            self.worst[figure] = float(error)
        if not error <= self.bars[figure]:
            self.beyond.append(f"{where}: {figure} off by {error:.3g} (bar {self.bars[figure]:g})")

    def cells(self):
        counts = ("inertia", "d")
        shown = {f: (f"{e:.0f}" if f in counts else f"{e:.1e}") for f, e in self.worst.items()}
        return [shown.get(f, "—") for f in FIGURES]


def relative(a, b):
    return abs(a - b) / max(abs(b), sys.float_info.min)


def spectrum(row, case, truth, where, near=None):
    """Ends, inertia and κ of one matrix. `near`: eigenvalues, where the truth has them,
    so that those within rounding of the line between zero and not may fall on either side."""
    if truth.get("zero"):
        return
    damping = truth["damping"]
    row.note("λ ends", relative(case["damping"]["lambda"], damping), where + " λ")
    ends = max(abs(truth["lambda_max"] + damping), abs(truth["lambda_min"] + damping))
    row.note("λ ends", relative(case["sigma_max"]["value"], ends), where + " σ_max")
    own, known = case["inertia"], {k: truth["n_" + k[:3]] for k in ("positive", "negative")}
    known["zero"] = truth["n_zero"]
    near = np.array([truth["abs_min"]]) if near is None else np.abs(near)
    slack = int(((near > 0.5 * truth["tol"]) & (near < 2 * max(own["tolerance"], truth["tol"]))).sum())
    # without eigenvalues: some of those that the truth calls nearly zero (1e-10 of the largest) lie within our tolerance
    if known["zero"] <= own["zero"] <= truth.get("n_near_zero_1e10", 0) and own["positive"] <= known["positive"]:
        slack = max(slack, own["zero"] - known["zero"])
    worst = max(abs(own[k] - known[k]) for k in known)
    row.note("inertia", max(worst - slack, 0), f"{where} inertia {own} for {known}, {slack} near the line")
    value = case["kappa"]["value"]
    kappa = truth["kappa_damped"]
    if value is None or kappa is None:
        row.note("κ", 0 if value == kappa or (kappa or 0) > 1e13 else np.inf, where + f" κ {value} for {kappa}")
    else:
        row.note("κ", relative(value, kappa) / (1e-6 + 1e-10 * kappa), where + " κ")
    for k in case["kappas"]:
        if k.get("of") == "|H|+λI" and truth.get("kappa_abs_damped") and k["value"]:
            known = truth["kappa_abs_damped"]
            row.note("κ", relative(k["value"], known) / (1e-6 + 1e-10 * known), where + " κ(|H|+λI)")


def companions(row, case, truth, where):
    """κ of GGN+λI and EF+λI beside a Hessian, each with its own λ."""
    for k in case["kappas"]:
        name = {"GGN+λI": "ggn", "EF+λI": "ef"}.get(k.get("of"))
        if name in truth and k["value"]:
            known = truth[name]["kappa_damped"]
            row.note("κ", relative(k["value"], known) / (1e-6 + 1e-10 * known), f"{where} κ({k['of']})")


def sparsity(row, case, truth, where):
    for point in case["row_sparsity"]["curve"]:
        known = truth.get(f"thr_{point['threshold']:g}")
        if known:
            at = f"{where} at {point['threshold']:g}"
            row.note("d", abs(point["d"] - known["d_max"]), f"{at}: d {point['d']} for {known['d_max']}")
            row.note("d", abs(point["nonzeros"] - known["nnz"]), f"{at}: entries {point['nonzeros']} for {known['nnz']}")
            row.note("dropped", relative(point["frobenius_error"], known["rel_fro_dropped"]), at)


def matrix(row, path, truth, order, where):
    """Columns, diagonal, eigenvalues and gradient of an exported matrix, in the truth's order of rows."""
    about = json.load(open(os.path.splitext(path)[0] + ".safetensors.json"))
    at, place = {}, 0
    for name, size in order:
        at[name] = place
        place += size
    index = np.concatenate([np.arange(at[b["name"]], at[b["name"]] + b["size"]) for b in about["block"]])
    gradient = np.empty(place)
    gradient[index] = about["gradient"]
    row.note("gradient", np.abs(gradient - truth["grad"]).max() / np.abs(truth["grad"]).max(), where)
    if "columns" not in truth:
        return
    size = int.from_bytes(open(path, "rb").read(8), "little")
    h = np.memmap(path, dtype="<f8", mode="r", offset=8 + size, shape=(place, place))
    back = np.empty(place, dtype=int)
    back[index] = np.arange(place)
    scale = max(np.abs(truth["diag"]).max(), np.abs(truth["columns"]).max(), sys.float_info.min)
    for k, j in enumerate(truth["columns_index"]):
        row.note("columns", np.abs(h[back[j]][back] - truth["columns"][:, k]).max() / scale, f"{where} column {j}")
    row.note("diagonal", np.abs(np.diagonal(h)[back] - truth["diag"]).max() / scale, where)
    if "H_lower" in truth:
        low = np.tril_indices(place)
        row.note("columns", np.abs(h[np.ix_(back, back)][low] - truth["H_lower"]).max() / scale, where + " every entry")
    if "eigvals" in truth and place <= 1500:
        own = np.linalg.eigvalsh(h)
        top = np.abs(truth["eigvals"]).max()
        for end in (0, -1):
            known = truth["eigvals"][end]
            # an end that is zero up to rounding has no relative error
            error = abs(own[end] - known) / (abs(known) if abs(known) > 1e-9 * top else top)
            row.note("λ ends", error, f"{where} end {end}")


def run(command):
    start = time.perf_counter()
    code = (
        "import subprocess,resource,sys,json;p=subprocess.run(sys.argv[1:],capture_output=True,text=True);"
        "print(json.dumps([p.returncode,p.stdout,p.stderr[-2000:],resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))"
    )
    ended = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True)
    code, out, err, kib = json.loads(ended.stdout)
    if code:
        sys.exit(f"{' '.join(command)} ended with {code}: {err}")
    return json.loads(out)["cases"], time.perf_counter() - start, kib / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--graph", choices=["legacy17", "dynamo18"], action="append")
    parser.add_argument("--curvature", choices=list(CURVATURES), action="append")
    parser.add_argument("--scope", choices=["full", "layers"], action="append")
    parser.add_argument("--baked", help="truth recomputed from the constants of the graphs (benches/peers/baked.py)")
    parser.add_argument("--threads", default="1")
    a = parser.parse_args()
    print("| network | export | curvature | scope | cases | " + " | ".join(FIGURES) + " | wall [s] | peak [MiB] |")
    print("|---" * (len(FIGURES) + 7) + "|", flush=True)
    beyond = []
    for name in a.networks or NETWORKS:
        folder = os.path.join(DATA, name)
        original = json.load(open(os.path.join(folder, "truth", "truth.json")))
        order = [(p["name"], p["size"]) for p in original["parameters"]]
        for graph in a.graph or ["legacy17", "dynamo18"]:
            transformer = name in ("gpt_char", "bert_char")
            baked = transformer and a.baked
            truth = json.load(open(os.path.join(a.baked, name, graph, "truth.json"))) if baked else original
            arrays = os.path.join(a.baked, name, graph) if baked else os.path.join(folder, "truth")
            for curvature in a.curvature or CURVATURES:
                whole, blocks = CURVATURES[curvature]
                for scope in a.scope or ["full", "layers"]:
                    row = Row(BAKED if transformer and not baked else EXACT)
                    with tempfile.TemporaryDirectory() as kept:
                        command = [a.program, "measure", folder, "--graph", f"model_{graph}.onnx", "--scope", scope]
                        command += ["--curvature", curvature, "--threads", a.threads, "--quiet", "--format", "json"]
                        exported = curvature == "hessian" and scope == "full"
                        if scope == "full" and transformer:
                            # one N² matrix; the other snapshots have nothing but loss and gradient
                            command += ["--snapshots", original["onnx"]["weights_of"] + "*"]
                        if exported:
                            command += ["--export-hessian", kept]
                        cases, wall, peak = run(command)
                        row.cases = len(cases)
                        squares = {}
                        for case in cases:
                            known = truth["snapshots"].get(case["snapshot"])
                            if known is None:
                                continue
                            where = f"{name} {graph} {case['id']}"
                            row.note("loss", relative(case["loss"], known["loss"]), where)
                            file = np.load(os.path.join(arrays, case["snapshot"] + ".npz"))
                            if scope == "full":
                                row.note("gradient", relative(case["gradient_norm"], np.linalg.norm(file["grad"])), where + " norm")
                                if whole in known:
                                    near = file["eigvals"] if whole == "spectrum" and "eigvals" in file.files else None
                                    spectrum(row, case, known[whole], where, near)
                                if whole == "spectrum":
                                    companions(row, case, known, where)
                                    if "sparsity" in known:
                                        sparsity(row, case, known["sparsity"], where)
                                if exported:
                                    path = os.path.join(kept, case["id"].replace("/", "_") + ".safetensors")
                                    matrix(row, path if os.path.exists(path) else find(kept, case), file, order, where)
                            else:
                                block = case["scope"].removeprefix("layer:")
                                if block in known.get(blocks, {}):
                                    spectrum(row, case, known[blocks][block], where)
                                squares[case["snapshot"]] = squares.get(case["snapshot"], 0) + case["gradient_norm"] ** 2
                        for snapshot, square in squares.items():
                            file = np.load(os.path.join(arrays, snapshot + ".npz"))
                            row.note("gradient", relative(square**0.5, np.linalg.norm(file["grad"])), f"{name} {graph} {snapshot} norm")
                    cells = [name, graph, curvature, scope, str(row.cases), *row.cells(), f"{wall:.1f}", f"{peak:.0f}"]
                    print("| " + " | ".join(cells) + " |", flush=True)
                    beyond += row.beyond
    for line in beyond:
        print(line)
    sys.exit(1 if beyond else 0)


def find(folder, case):
    """The exported matrix of a case, by its sidecar."""
    for name in os.listdir(folder):
        if name.endswith(".json") and json.load(open(os.path.join(folder, name))).get("case") == case["id"]:
            return os.path.join(folder, name.removesuffix(".json"))
    raise FileNotFoundError(case["id"])


if __name__ == "__main__":
    main()
