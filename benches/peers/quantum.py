#!/usr/bin/env python3
"""The simulator beside its peers, in one run on one machine: phases, a small QSVT solve, a walk step, a state vector.

    python -m venv ENV && ENV/bin/pip install -r benches/peers/quantum-requirements.txt
    cargo build --release
    ENV/bin/python benches/peers/quantum.py [--skip-pennylane] [--bench-command "cargo bench --bench simulate"]

Runs `cargo bench --bench simulate` first, then nlft-qsp, a numpy walk and PennyLane on the same work, and prints
medians and ratios. PennyLane's matrix goes through `breakeven simulate qsvt` at all three levels too, so that the
errors stand side by side. Every peer is free to use all threads. Times are wall seconds.
"""
import argparse
import json
import pathlib
import re
import shlex
import statistics
import subprocess
import tempfile
import time

import numpy as np

UNITS = {"ns": 1e-9, "µs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def ours(command):
    """Medians of the criterion benches by name."""
    text = subprocess.run(shlex.split(command), check=True, capture_output=True, text=True).stdout
    times, name = {}, None
    for line in text.splitlines():
        found = re.match(r"^(\S+)?\s+time:\s+\[\S+ \S+ (\S+) (\S+) \S+ \S+\]", line)
        if found:
            times[found.group(1) or name] = float(found.group(2)) * UNITS[found.group(3)]
        elif line and not line.startswith(" "):
            name = line.split()[0]
    return times


def median(work, repeats):
    samples = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        samples.append(time.perf_counter() - start)
    return statistics.median(samples)


def inversion(kappa, eps):
    """Chebyshev coefficients of the best relative-error inversion polynomial, scaled to max|p| = 1/2."""
    rate = 2 * np.arctanh(1 / kappa)
    order = int(np.ceil(np.arccosh(1 / eps) / rate))
    degree = 2 * order - 1
    gap2 = kappa ** -2.0

    def p(x):
        u = (1 + gap2 - 2 * x * x) / (1 - gap2)
        inside = np.abs(u) <= 1
        t = np.empty_like(x)
        t[inside] = np.cos(order * np.arccos(u[inside])) / np.cosh(order * rate)
        t[~inside] = np.cosh(order * np.arccosh(np.maximum(u[~inside], 1))) / np.cosh(order * rate)
        return (1 - t) / x

    m = 1 << int(np.ceil(np.log2(2 * degree + 2)))
    values = p(np.cos(np.pi * (np.arange(m) + 0.5) / m))
    # Discrete cosine transform of the values at Chebyshev points.
    angles = np.fft.fft(np.concatenate([values, values[::-1]]))
    c = np.real(angles[:m] * np.exp(-1j * np.pi * np.arange(m) / (2 * m))) / m
    c[0] /= 2
    c = c[: degree + 1]
    c[::2] = 0
    x = np.linspace(1e-9, min(1, 2 / kappa), 4001)
    return c * 0.5 / np.max(np.abs(p(x)))


def nlft(kappa, eps, repeats):
    from nlft_qsp.qsp import chebqsp_solve

    c = list(inversion(kappa, eps))
    return median(lambda: chebqsp_solve(c), repeats)


def numpy_walk(n, steps):
    """The walk of docs/simulator.md on all 32 flag values, plain numpy: seconds a step."""
    rng = np.random.default_rng(0)
    s = rng.uniform(0.01, 1, n) * rng.choice([-1, 1], n)
    c = np.sqrt(1 - s * s)
    b = rng.standard_normal(n)
    b /= np.linalg.norm(b)
    v = np.zeros((2, 2, 2, 2, 2, n))  # d, r, c, h, a
    v[0, 0, 0, 0, 0] = b
    root = np.sqrt(0.5)

    def hadamard_c():
        x, y = v[:, :, 0].copy(), v[:, :, 1].copy()
        v[:, :, 0], v[:, :, 1] = (x + y) * root, (x - y) * root

    def reflect():
        part = v[0, :, 1, 1]
        part -= 2 * (part @ b)[..., None] * b

    def prepare(f):
        size = np.hypot(1 - f, f)
        for h, (p, q) in enumerate([((1 - f) / size, f / size), (root, root)]):
            x, y = v[:, 0, :, h].copy(), v[:, 1, :, h].copy()
            v[:, 0, :, h], v[:, 1, :, h] = p * x + q * y, q * x - p * y

    def step(f):
        hadamard_c()
        reflect()
        prepare(f)
        v[1, 0] *= -1
        x, y = v[0, 1].copy(), v[1, 1].copy()
        v[0, 1, :, :, 0], v[0, 1, :, :, 1] = s * y[:, :, 0] + c * y[:, :, 1], c * y[:, :, 0] - s * y[:, :, 1]
        v[1, 1, :, :, 0], v[1, 1, :, :, 1] = s * x[:, :, 0] + c * x[:, :, 1], c * x[:, :, 0] - s * x[:, :, 1]
        v[:, :, :, [0, 1]] = v[:, :, :, [1, 0]]
        prepare(f)
        reflect()
        hadamard_c()
        kept = v[:, 0, 0, :, 0].copy()
        v[...] *= -1
        v[:, 0, 0, :, 0] = kept

    start = time.perf_counter()
    for k in range(steps):
        step((k + 1) / steps)
    return (time.perf_counter() - start) / steps


def small_system(n, kappa=3.0):
    """A symmetric indefinite matrix with a spread spectrum and a right-hand side."""
    rng = np.random.default_rng(1)
    q, _ = np.linalg.qr(rng.standard_normal((n, n)))
    values = np.linspace(1 / kappa, 1, n) * rng.choice([-1, 1], n)
    a = (q * values) @ q.T
    b = rng.standard_normal(n)
    return (a + a.T) / 2, b / np.linalg.norm(b)


def pennylane(a, b, solver):
    """`qml.qsvt` with one of its angle solvers, κ = 3, degree 15: (seconds for angles, to solve, error, degree).

    The solve finds the angles once more, as `qml.qsvt` always does.
    """
    import pennylane as qml

    n = len(b)
    c = inversion(3.0, 1e-2)
    monomial = np.polynomial.chebyshev.cheb2poly(c)
    start = time.perf_counter()
    qml.poly_to_angles(monomial, "QSVT", angle_solver=solver)
    angles = time.perf_counter() - start
    wires = int(np.log2(n)) + 1
    device = qml.device("default.qubit", wires=wires)

    @qml.qnode(device)
    def circuit():
        qml.StatePrep(b, wires=range(1, wires))
        qml.qsvt(a, monomial, encoding_wires=range(wires), block_encoding="embedding", angle_solver=solver)
        return qml.state()

    start = time.perf_counter()
    state = np.real(np.asarray(circuit()))[:n]
    solve = time.perf_counter() - start
    x = np.linalg.solve(a, b)
    x /= np.linalg.norm(x)
    state = state / np.linalg.norm(state)
    return angles, solve, min(np.linalg.norm(state - x), np.linalg.norm(state + x)), len(c) - 1


def own_errors(program, a, b):
    """error_reached of `breakeven simulate qsvt` on the same system, by level."""
    with tempfile.TemporaryDirectory() as folder:
        matrix, rhs = pathlib.Path(folder) / "H.npy", pathlib.Path(folder) / "g.npy"
        np.save(matrix, a)
        np.save(rhs, b)
        errors = {}
        for level in ("L1", "L2", "L3"):
            command = [program, "simulate", "qsvt", str(matrix), "--rhs", str(rhs), "--eps", "1e-2"]
            done = subprocess.run(
                command + ["--level", level, "--format", "json"], check=True, capture_output=True, text=True
            )
            errors[level] = json.loads(done.stdout)["error_reached"]
        return errors


def row(name, mine, peer, bar):
    ratio = peer / mine
    print(f"{name:<52} {mine:12.3e} {peer:12.3e} {ratio:10.1f}   {bar}")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--skip-pennylane", action="store_true")
    options.add_argument("--bench-command", default="cargo bench --bench simulate")
    options.add_argument("--program", default="target/release/breakeven")
    options = options.parse_args()
    mine = ours(options.bench_command)
    print(f"{'work':<52} {'ours [s]':>12} {'peer [s]':>12} {'peer/ours':>10}   bar")
    row("phases, degree 761 (nlft-qsp)", mine["phases/degree_761"], nlft(100, 1e-3, 5), ">= 5")
    row("phases, degree 14509 (nlft-qsp)", mine["phases/degree_14509"], nlft(1000, 1e-6, 3), ">= 1")
    step = mine["walk/eight_steps_n_100000"] / 8
    row("walk step, N = 100,000 (numpy)", step, numpy_walk(100_000, 4), "<= 41 ms a step")
    copies = mine["state_vector_20/200_copies"]
    row("20 qubits, 200 gates (200 copies)", mine["state_vector_20/200_gates"], copies, ">= 0.5")
    if not options.skip_pennylane:
        for n in (4, 8):
            a, b = small_system(n)
            total = mine["qsvt_n_8_degree_15"]
            for solver in ("root-finding", "iterative"):
                # The first call loads what the others find loaded.
                runs = [pennylane(a, b, solver) for _ in range(8 if solver == "root-finding" else 3)]
                angles, solve = (statistics.median(r[k] for r in runs[1:]) for k in (0, 1))
                error, degree = runs[0][2:]
                row(f"QSVT N = {n}, degree {degree} (PennyLane, {solver})", total, angles + solve, ">= 1000")
                print(f"    angles {angles:.4f} s, solve {solve:.4f} s, state error {error:.2e} (asked 1e-2)")
            errors = ", ".join(f"{level} {e:.2e}" for level, e in own_errors(options.program, a, b).items())
            print(f"    Breakeven on the same system: state error {errors}")


if __name__ == "__main__":
    main()
