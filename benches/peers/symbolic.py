"""Breakeven's formula language and crossovers beside bartiq, sympy and numpy, on the same formulas, in one run.

    python -m venv /path/to/venv && /path/to/venv/bin/pip install -r benches/peers/symbolic-requirements.txt
    /path/to/venv/bin/python benches/peers/symbolic.py [--rounds 11]

Builds `cargo bench --bench expr`, keeps its binary running and alternates with the peers: each round times ours, then
theirs. The table has the medians over the rounds and the median of the ratios of each round. Times are processor
seconds of one thread, so that other load on the machine counts as little as it can; ours are counted by the kernel in
ticks of some milliseconds, so that every task is repeated for tens of ticks.
"""

import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROWS = 1_000_000
POINT = {"n": 1e4, "d": 8.0, "kappa": 1e4, "eps": 1e-3, "alpha": 10.0}
# The numbers of the crossovers in benches/expr.rs.
AT = {"n": 3e3, "d": 50.0, "kappa": 300.0, "eps": 1e-3, "gate_time": 2e-8, "flops_per_second": 1e12}
JENNINGS = (
    "((1741*alpha*E/500)*sqrt(kappa^2+1)*((133/125+4/(25*kappa^(1/3)))*pi*log(2*kappa+3)+1)"
    "+(351/50)*log(2*kappa+3)^2*(log(451*log(2*kappa+3)^2/eps)+1)+alpha*kappa*log(32/eps))/(0.39-0.204*eps)"
)
DALZELL = "56.0*kappa + 1.05*kappa*log(sqrt(1 - eps**2)/eps) + 2.78*log(kappa)**3 + 3.17"


def binaries():
    """The bench binary and the release binary of the command line, built."""
    command = ["cargo", "bench", "--bench", "expr", "--no-run", "--message-format=json"]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    built = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    found = {m["target"]["name"]: m["executable"] for m in built if m.get("executable")}
    return found["expr"], found["breakeven"]


class Ours:
    """The bench binary, asked for one task after the other."""

    def __init__(self, binary):
        self.process = subprocess.Popen(
            [binary, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def ask(self, task, calls=1):
        self.process.stdin.write(f"{task} {calls}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer:
            raise RuntimeError(f"no answer to {task}")
        return answer

    def seconds(self, task, calls):
        return float(self.ask(task, calls))


def seconds(work, calls):
    """Processor seconds of one call."""
    start = time.process_time()
    for _ in range(calls):
        work()
    return (time.process_time() - start) / calls


def process_seconds(line):
    """Processor seconds of a whole process, its start included."""
    before = os.times()
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def sympy_formulas():
    import sympy

    symbols = sympy.symbols("n d kappa eps alpha", positive=True)
    names = dict(zip(("n", "d", "kappa", "eps", "alpha"), symbols))
    n, d, kappa, eps, _ = symbols
    read = lambda text: sympy.sympify(text.replace("^", "**"), locals=names)
    jennings = sympy.sympify(JENNINGS.replace("^", "**"), locals=names, rational=True)
    return symbols, [d * kappa * sympy.log(n * kappa / eps), read(DALZELL), jennings]


def many(cse):
    """Three formulas at a million points by lambdify and numpy."""
    import numpy
    import sympy

    symbols, formulas = sympy_formulas()
    ranges = [(2, 6), (0, 3), (1, 6), (-10, -1), (0, 2)]
    generator = numpy.random.default_rng(1)
    columns = [10 ** generator.uniform(low, high, ROWS) for low, high in ranges]
    function = sympy.lambdify(symbols, formulas, "numpy", cse=cse)
    return lambda: function(*columns)


def bartiq_evaluate(formula):
    """bartiq: a compiled routine with one resource, evaluated at a point; and its value."""
    from bartiq import compile_routine, evaluate
    from qref import SchemaV1

    program = {
        "name": "root",
        "input_params": list(POINT),
        "resources": [{"name": "queries", "type": "additive", "value": formula.replace("^", "**")}],
    }
    compiled = compile_routine(SchemaV1(version="v1", program=program)).routine
    work = lambda: evaluate(compiled, POINT)
    return work, float(work().routine.resources["queries"].value)


def sympy_solve(kind):
    """sympy.solve on the equation of a crossover, its real roots; nsolve from a guess where solve knows no algorithm."""
    import sympy

    n = sympy.symbols("n", positive=True)
    queries = sympy.sympify(DALZELL, locals={}).subs({"kappa": AT["kappa"], "eps": AT["eps"]})
    if kind == "n":
        equation = (n**3 / 3 + 2 * n**2) / AT["flops_per_second"] - queries * AT["gate_time"]
    else:
        gates = AT["d"] * AT["kappa"] * sympy.log(n * AT["kappa"] / AT["eps"])
        equation = gates * AT["gate_time"] - 2 * n**3 / AT["flops_per_second"]
    sympy.core.cache.clear_cache()
    if kind == "log":
        return [float(sympy.nsolve(equation, n, 1000))]
    roots = [complex(r.evalf()) for r in sympy.solve(equation, n)]
    real = [r.real for r in roots if abs(r.imag) < 1e-6 * abs(r) and r.real > 50]
    return real


def report(task, peer, pairs, wanted):
    mine, theirs = (statistics.median(side) for side in zip(*pairs))
    ratios = sorted(b / a for a, b in pairs)
    low, high = ratios[len(ratios) // 4], ratios[(3 * len(ratios)) // 4]
    ratio = f"{statistics.median(ratios):,.1f}× ({low:,.1f} to {high:,.1f})"
    print(f"| {task} | {peer} | {shown(theirs)} | {shown(mine)} | {ratio} | {wanted} |", flush=True)


def shown(x):
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if x >= scale:
            return f"{x / scale:.3g} {unit}"
    return f"{x / 1e-9:.3g} ns"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=11)
    rounds = arguments.parse_args().rounds
    bench, command = binaries()
    ours = Ours(bench)
    versions = []
    for name in ("bartiq", "sympy", "numpy"):
        try:
            from importlib.metadata import version

            versions.append(f"{name} {version(name)}")
        except Exception:
            versions.append(f"{name} missing")
    print(f"{', '.join(versions)}; {rounds} alternating rounds, medians of processor time; ratios with their quartiles\n")
    print("| task | peer | peer's time | Breakeven | ratio | wanted |")
    print("|---|---|---|---|---|---|")

    def alternate(task, mine, my_calls, work, calls, peer, wanted, times=rounds):
        work()
        ours.seconds(mine, my_calls)
        pairs = [(ours.seconds(mine, my_calls), seconds(work, calls)) for _ in range(times)]
        report(task, peer, pairs, wanted)

    differences = []
    expected = float(ours.ask("value"))
    try:
        for mine, name, formula in (
            ("one_jennings", "Jennings 2023", JENNINGS.replace("E", repr(math.e)).replace("pi", repr(math.pi))),
            ("one_q_newton", "d κ ln(N κ/ε)", "d*kappa*log(n*kappa/eps)"),
        ):
            work, value = bartiq_evaluate(formula)
            if mine == "one_jennings":
                differences.append(value / expected - 1)
            alternate(f"1 evaluation, {name}", mine, 2_000_000, work, 200, "bartiq evaluate", "≥ 1000×")
    except ImportError as missing:
        print(f"| 1 evaluation | bartiq took no part: {missing} | | | | |")

    import sympy

    symbols, formulas = sympy_formulas()
    one = sympy.lambdify(symbols, formulas[2], "math")
    values = tuple(POINT.values())
    differences.append(one(*values) / expected - 1)
    alternate("1 evaluation, Jennings 2023", "one_jennings", 2_000_000, lambda: one(*values), 20_000, "sympy lambdify, math", "")
    for cse in (False, True):
        peer = "sympy lambdify + numpy" + (", cse" if cse else "")
        alternate("3 formulas × 1e6 points", "three_by_million", 10, many(cse), 3, peer, "≥ 2×")
        alternate("the same, into memory that is there", "three_by_million_reused", 10, many(cse), 3, peer, "≥ 2×")
    kappa = symbols[2]

    def derive():
        sympy.core.cache.clear_cache()
        formula = sympy.sympify(JENNINGS.replace("^", "**"), rational=True)
        sympy.simplify(formula), sympy.diff(formula, sympy.Symbol("kappa"))

    alternate("parse, simplify, differentiate Jennings 2023", "derive_jennings", 2_000, derive, 1, "sympy", "< 1 ms", min(rounds, 3))
    for kind, name, peer in (
        ("n", "dalzell2024 and ldlt in n", "sympy.solve"),
        ("log", "q-newton and inverse in n", "sympy.nsolve from a guess; solve refuses"),
    ):
        root, found = float(ours.ask(f"root_{kind}")), sympy_solve(kind)
        differences.append(min((abs(r / root - 1) for r in found), default=1.0))
        work = lambda kind=kind: sympy_solve(kind)
        task = f"crossover, certified: {name}"
        alternate(task, f"crossover_{kind}", 5_000, work, 1, peer + "; no proof", "< 1 ms", min(rounds, 5))

    print("\nWithout a peer's counterpart (medians):")
    alone = lambda task, calls: statistics.median(ours.seconds(task, calls) for _ in range(rounds))
    print(f"- parse, simplify, differentiate the largest model ({ours.ask('largest')}): {shown(alone('derive_largest', 600))} (wanted < 1 ms)")
    print(f"- every crossing through a `ceil` (costa2026 and cg in kappa over 1 to 1e12, three of them): {shown(alone('crossover_ceil', 500))} (wanted < 1 ms; sympy.solve refuses `ceiling`)")
    print(f"- load and lint 10,000 models: {shown(statistics.median(ours.seconds('load', 1) for _ in range(min(rounds, 5))))} (wanted < 1 s)")
    start = lambda line: statistics.fmean(process_seconds(line) for _ in range(2 * rounds))
    for line in (["models", "list"], ["cost", "dalzell2024", "--set", "kappa=1e4", "--set", "eps=1e-3"]):
        print(f"- the whole process `breakeven {' '.join(line)}`: {shown(start([command, *line]))} (wanted < 10 ms)")
    print(f"- the whole process `python -c 'import sympy'`: {shown(start([sys.executable, '-c', 'import sympy']))}")
    largest = max(abs(x) for x in differences)
    print(f"\nLargest relative difference of values and roots between the two sides: {largest:.1e}")
    return 0 if largest < 1e-12 else 1


if __name__ == "__main__":
    sys.exit(main())
