"""Breakeven's formula language beside sympy + numpy and bartiq, on the same formulas, in one run.

    python benches/peers/symbolic.py            (requirements: sympy, numpy; bartiq if it should take part)

Builds and runs `cargo bench --bench expr -- --peer`, times the peers in this process, and prints a table of ratios.
Everything runs on one thread. Best of several repetitions each, alternating nothing else on the machine is advised.
"""

import json
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROWS = 1_000_000
POINT = {"n": 1e4, "d": 8.0, "kappa": 1e4, "eps": 1e-3, "alpha": 10.0}
JENNINGS = (
    "((1741*alpha*E/500)*sqrt(kappa^2+1)*((133/125+4/(25*kappa^(1/3)))*pi*log(2*kappa+3)+1)"
    "+(351/50)*log(2*kappa+3)^2*(log(451*log(2*kappa+3)^2/eps)+1)+alpha*kappa*log(32/eps))/(0.39-0.204*eps)"
)


def best(work, calls, batches):
    """Best seconds of one call."""
    times = []
    for _ in range(batches):
        start = time.perf_counter()
        for _ in range(calls):
            work()
        times.append((time.perf_counter() - start) / calls)
    return min(times)


def ours():
    """Breakeven's own times, from its bench binary."""
    command = ["cargo", "bench", "--quiet", "--bench", "expr", "--", "--peer"]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return json.loads(output.strip().splitlines()[-1])


def with_sympy():
    """sympy: three formulas at a million points by lambdify and numpy, one point, and symbolic work."""
    import numpy
    import sympy

    n, d, kappa, eps, alpha = symbols = sympy.symbols("n d kappa eps alpha", positive=True)
    jennings = sympy.sympify(
        JENNINGS.replace("^", "**"), locals={"n": n, "d": d, "kappa": kappa, "eps": eps, "alpha": alpha}, rational=True
    )
    formulas = [
        d * kappa * sympy.log(n * kappa / eps),
        56.0 * kappa + 1.05 * kappa * sympy.log(sympy.sqrt(1 - eps**2) / eps) + 2.78 * sympy.log(kappa) ** 3 + 3.17,
        jennings,
    ]
    ranges = [(2, 6), (0, 3), (1, 6), (-10, -1), (0, 2)]
    generator = numpy.random.default_rng(1)
    columns = [10 ** generator.uniform(low, high, ROWS) for low, high in ranges]
    result = {}
    for cse in (False, True):
        function = sympy.lambdify(symbols, formulas, "numpy", cse=cse)
        result[f"three_by_million_s{'_cse' if cse else ''}"] = best(lambda: function(*columns), 1, 10)
    one = sympy.lambdify(symbols, jennings, "math")
    values = tuple(POINT.values())
    result["one_jennings_s"] = best(lambda: one(*values), 2_000, 10)
    result["jennings_value"] = one(*values)
    result["derive_jennings_s"] = best(lambda: (sympy.simplify(jennings), sympy.diff(jennings, kappa)), 1, 2)
    return result


def with_bartiq():
    """bartiq: compile a routine with one resource, evaluate it at a point."""
    from bartiq import compile_routine, evaluate
    from qref import SchemaV1

    inputs = list(POINT)
    result = {}
    for name, formula in (("jennings", JENNINGS.replace("E", "exp(1)")), ("q_newton", "d*kappa*log(n*kappa/eps)")):
        routine = SchemaV1(
            version="v1",
            program={
                "name": "root",
                "input_params": inputs,
                "resources": [{"name": "queries", "type": "additive", "value": formula}],
            },
        )
        compiled = compile_routine(routine).routine
        assignments = [f"{key}={value!r}" for key, value in POINT.items()]
        try:
            work = lambda: evaluate(compiled, assignments)
            work()
        except Exception:
            work = lambda: evaluate(compiled, POINT)
            work()
        result[f"one_{name}_s"] = best(work, 50, 5)
        result[f"{name}_value"] = float(work().routine.resources["queries"].value)
    return result


def row(task, peer, theirs, mine, wanted):
    ratio = theirs / mine
    print(f"| {task} | {peer} | {theirs * 1e6:,.2f} µs | {mine * 1e6:,.3f} µs | {ratio:,.1f}× | {wanted} |")


def main():
    mine = ours()
    print("| task | peer | peer's time | Breakeven | ratio | wanted |")
    print("|---|---|---|---|---|---|")
    theirs = with_sympy()
    difference = abs(theirs["jennings_value"] / mine["jennings_value"] - 1)
    row("3 formulas × 1e6 points", "sympy lambdify + numpy", theirs["three_by_million_s"], mine["three_by_million_s"], "≥ 2×")
    row("the same, cse=True", "sympy lambdify + numpy", theirs["three_by_million_s_cse"], mine["three_by_million_s"], "≥ 2×")
    row("1 evaluation (Jennings 2023)", "sympy lambdify + math", theirs["one_jennings_s"], mine["one_jennings_s"], "")
    row("parse, simplify, differentiate", "sympy", theirs["derive_jennings_s"], mine["derive_jennings_s"], "< 1 ms")
    try:
        other = with_bartiq()
        difference = max(difference, abs(other["jennings_value"] / mine["jennings_value"] - 1))
        row("1 evaluation (Jennings 2023)", "bartiq", other["one_jennings_s"], mine["one_jennings_s"], "≥ 1000×")
        row("1 evaluation (d κ ln(N κ/ε))", "bartiq", other["one_q_newton_s"], mine["one_q_newton_s"], "≥ 1000×")
    except ImportError as missing:
        print(f"\nbartiq took no part: {missing}")
    print(f"\nLargest model, parsed, simplified and differentiated: {mine['derive_largest_s'] * 1e6:,.0f} µs (wanted < 1 ms)")
    print(f"Largest relative difference of the values: {difference:.1e}")
    return 0 if difference < 1e-12 else 1


if __name__ == "__main__":
    sys.exit(main())
