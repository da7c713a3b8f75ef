#!/usr/bin/env python3
"""The simulator beside its peers, in one run on one machine: phases, a small QSVT solve, a walk step, a state vector.

    python -m venv ENV && ENV/bin/pip install -r benches/peers/quantum-requirements.txt
    ENV/bin/python benches/peers/quantum.py [--skip-pennylane] [--bench-command "cargo bench --bench simulate"]

Runs `cargo bench --bench simulate` first, then nlft-qsp, a numpy walk and PennyLane on the same work, and prints
medians and ratios. Every peer is free to use all threads. Times are wall seconds.
"""
import argparse
import re
import shlex
import statistics
import subprocess
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


def pennylane(n):
    """`qml.qsvt` with its own angle solver, κ = 3, degree 15: (seconds for angles, seconds to solve, error)."""
    import pennylane as qml

    kappa = 3.0
    rng = np.random.default_rng(1)
    q, _ = np.linalg.qr(rng.standard_normal((n, n)))
    values = np.linspace(1 / kappa, 1, n) * rng.choice([-1, 1], n)
    a = (q * values) @ q.T
    a = (a + a.T) / 2
    b = rng.standard_normal(n)
    b /= np.linalg.norm(b)
    c = inversion(kappa, 1e-2)
    monomial = np.polynomial.chebyshev.cheb2poly(c)
    start = time.perf_counter()
    qml.poly_to_angles(monomial, "QSVT")
    angles = time.perf_counter() - start
    wires = int(np.log2(n)) + 1
    device = qml.device("default.qubit", wires=wires)

    @qml.qnode(device)
    def circuit():
        qml.StatePrep(b, wires=range(1, wires))
        qml.qsvt(a, monomial, encoding_wires=range(wires), block_encoding="embedding")
        return qml.state()

    start = time.perf_counter()
    state = np.real(np.asarray(circuit()))[:n]
    solve = time.perf_counter() - start
    x = np.linalg.solve(a, b)
    x /= np.linalg.norm(x)
    state = state / np.linalg.norm(state)
    return angles, solve, min(np.linalg.norm(state - x), np.linalg.norm(state + x)), len(c) - 1


def row(name, mine, peer, bar):
    ratio = peer / mine
    print(f"{name:<44} {mine:12.3e} {peer:12.3e} {ratio:10.1f}   {bar}")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--skip-pennylane", action="store_true")
    options.add_argument("--bench-command", default="cargo bench --bench simulate")
    options = options.parse_args()
    mine = ours(options.bench_command)
    print(f"{'work':<44} {'ours [s]':>12} {'peer [s]':>12} {'peer/ours':>10}   bar")
    row("phases, degree 761 (nlft-qsp)", mine["phases/degree_761"], nlft(100, 1e-3, 5), ">= 5")
    row("phases, degree 14509 (nlft-qsp)", mine["phases/degree_14509"], nlft(1000, 1e-6, 3), ">= 1")
    step = mine["walk/eight_steps_n_100000"] / 8
    row("walk step, N = 100,000 (numpy)", step, numpy_walk(100_000, 4), "<= 41 ms a step")
    copies = mine["state_vector_20/200_copies"]
    row("20 qubits, 200 gates (200 copies)", mine["state_vector_20/200_gates"], copies, ">= 0.5")
    if not options.skip_pennylane:
        for n in (4, 8):
            angles, solve, error, degree = pennylane(n)
            total = mine["qsvt_n_8_degree_15"]
            row(f"QSVT N = {n}, degree {degree} (PennyLane)", total, angles + solve, ">= 1000")
            print(f"    PennyLane: angles {angles:.2f} s, solve {solve:.2f} s, state error {error:.2e} (asked 1e-2)")


if __name__ == "__main__":
    main()
