"""Breakeven's exact Hessians and Hessian-vector products beside jax, torch.func and curvlinops.

    python benches/peers/curvature.py [--cases SUBSTRING,...] [--reps 5] [--peer-reps 5] [--threads 2]
    python benches/peers/curvature.py --values [--cases SUBSTRING,...]
    python benches/peers/curvature.py --sweep [--cases SUBSTRING,...]

(requirements: jax, torch, curvlinops-for-pytorch, numpy, safetensors; versions in benches/peers/curvature-requirements.txt)

Everything in a row has the same model, weights, batch and precision. Each program runs in a process of its own that is
kept for all repetitions; the repetitions of a row alternate between the programs, so that other work on the machine
disturbs all alike. Each peer runs compiled (jit) with the chunk of columns that suits it best; compilation and a warm-up
are not counted; it is timed once with each number of threads up to --threads (by affinity), and the number that suits
it best is repeated. The columns are wall seconds: median and least of the repetitions, then the median of the processor
seconds of all threads, which other work on the machine disturbs least; then the ratios peer / Breakeven of the median
wall seconds (Breakeven with all threads) and of the processor seconds (each at the number of threads where it spends
least). Rows of Breakeven end with the rate of the floating-point operations that it really did (zeros left out), and
that as a share of the best product of 3000 x 3000 matrices on the same threads, by faer or by numpy, and for full
Hessians the most memory that the process ever held, the matrix itself taken off.

Two threads cannot gain more than the machine has for them: other guests of a host, and caches, memory and clock that its
cores share, slow two busy cores more than one. So one thread is also timed with a copy of itself at work on every other
core at the same time; copies wait for nothing, and what they do together in the time of one is what threads could gain
(but for the cache, of which they need as often as much). One thread, all threads and the copies take turns within each
repetition; their ratios, and the shares of products of matrices, are medians of the repetitions' own.

--values checks instead of timing: the f64 matrix of every full Hessian against its own columns, its transpose, and 24
columns that jax computes in f64; all relative to its largest entry.

--sweep shows how the cost of a full Hessian grows with batch, width, depth and positions.

Breakeven fills memory that is kept from one Hessian to the next, as in a Newton iteration; the row `new memory` shows
what it costs where the operating system must provide (and clear) the memory of each result, as the peers let it do.

What XLA folds: parameters, batch and targets are arguments of the compiled functions, so that it folds nothing of the
primal pass, except where a row says `linearize`: jax.linearize evaluates the primal pass once and only the tangent
program is timed, as Breakeven's products are.
"""

import argparse
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from curvature_peers import jax_work, torch_work

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"

# seconds between two programs
PAUSE = 0.25
# Seconds: memory that was not touched while another program worked may be slow at first (in a virtual machine a matrix of
# 0.7 GB, after 20 s of nothing at all, costs 0.05 to 0.15 s more); shorter work is done once before it is timed, and then
# as often as SPAN holds it, in so many turns with what it is compared with: a few milliseconds of one core that the host
# takes away would decide a shorter span, and a guest of the host that comes or goes is there for all.
WARM = 2.0
SPAN = 0.25
TURNS = 5

# name, network or fixture, batch, quantity, precisions, peers
FULL = ["jax_chunked", "torch_chunked"]
CASES = [
    ("784-16-16-10", "mlp:784-16-16-10", 2048, "hessian", ["f32", "f64"], ["jax_chunked"]),
    ("784-16-16-10", "mlp:784-16-16-10", 512, "hessian", ["f32", "f64"], ["jax_hessian"]),
    ("64-32-10", "mlp:64-32-10", 1024, "hessian", ["f32", "f64"], ["jax_hessian", "jax_chunked"]),
    ("196-16-10", "mlp:196-16-10", 1024, "hessian", ["f32", "f64"], ["jax_hessian", "jax_chunked"]),
    ("cnn_digits", "fixture:cnn_digits/adam_0400", 128, "hessian", ["f32", "f64"], FULL),
    ("bert_char", "fixture:bert_char/adam_1500", 24, "hessian", ["f32", "f64"], FULL),
    ("gpt_char", "fixture:gpt_char/adam_0600", 16, "hessian", ["f32", "f64"], FULL),
    ("784-16-16-10", "mlp:784-16-16-10", 2048, "product1", ["f32", "f64"], ["jax_linearize", "curvlinops"]),
    ("784-16-16-10", "mlp:784-16-16-10", 2048, "product16", ["f32", "f64"], ["jax_linearize", "curvlinops"]),
    ("cnn_digits", "fixture:cnn_digits/adam_0400", 128, "product1", ["f32", "f64"], ["jax_linearize", "curvlinops"]),
    ("cnn_digits", "fixture:cnn_digits/adam_0400", 128, "product16", ["f32", "f64"], ["jax_linearize", "curvlinops"]),
    ("bert_char", "fixture:bert_char/adam_1500", 24, "product1", ["f32", "f64"], ["jax_linearize", "curvlinops"]),
    ("bert_char", "fixture:bert_char/adam_1500", 24, "product16", ["f32", "f64"], ["jax_linearize", "curvlinops"]),
    ("gpt_char", "fixture:gpt_char/adam_0600", 16, "product1", ["f32", "f64"], ["jax_linearize", "curvlinops"]),
    ("gpt_char", "fixture:gpt_char/adam_0600", 16, "product16", ["f32", "f64"], ["jax_linearize", "curvlinops"]),
]

# what grows; networks, batches and positions
SWEEPS = [
    ("batch", [("mlp:784-16-16-10", b, 0) for b in (256, 512, 1024, 2048, 4096)]),
    ("width", [(f"mlp:64-{w}-10", 1024, 0) for w in (8, 16, 32, 64, 96)]),
    ("depth", [("mlp:64" + "-16" * d + "-10", 1024, 0) for d in (1, 2, 4, 8, 16)]),
    ("T", [("gpt:16,1,2,32", 8, t) for t in (4, 8, 16, 32)]),
]


def compare(bench, folder, model, threads):
    """The values of a full Hessian beside columns by jax in f64."""
    import numpy

    file = pathlib.Path(folder) / "hessian.npy"
    said = subprocess.run([bench, "values", folder, file, threads], check=True, capture_output=True, text=True).stdout
    own = json.loads(said)
    h = numpy.load(file, mmap_mode="r")
    column, order = jax_work(pathlib.Path(folder), model, "column", "f64", "jax_column")
    n, starts, at = own["n"], {}, 0
    for name, size in order:
        starts[name], at = at, at + size
    # where jax keeps our parameters
    place = numpy.concatenate([numpy.arange(size) + starts[name] for name, size in own["tensors"]])
    worst = 0.0
    for i in numpy.random.default_rng(0).choice(n, min(24, n), replace=False):
        v = numpy.zeros(n)
        v[place[i]] = 1.0
        worst = max(worst, float(numpy.abs(column(v)[place] - h[i]).max()))
    print(
        f"{pathlib.Path(folder).name:40} N={n:6}: from its columns {own['columns']:.1e}, from jax {worst / own['top']:.1e}, "
        f"asymmetry {own['asymmetry']:.0e}, f32 {own['f32']:.1e}",
        flush=True,
    )


def serve(folder, model, quantity, precision, variant):
    """Does the work once for every line read and answers with seconds."""
    work = (jax_work if variant.startswith("jax") else torch_work)(
        pathlib.Path(folder), model, quantity, precision, variant
    )[0]
    if not variant.endswith("chunked"):  # those have run their chunk while its size was chosen
        work()
    print("ready", flush=True)
    for count in map(int, sys.stdin):
        start = time.perf_counter()
        for _ in range(count):
            work()
        print((time.perf_counter() - start) / count, flush=True)


class Process:
    """A program that answers every line with seconds."""

    def __init__(self, command, threads, first=0):
        cpus = set(sorted(os.sched_getaffinity(0))[first : first + threads])
        environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
        environment["OMP_NUM_THREADS"] = environment["OPENBLAS_NUM_THREADS"] = str(threads)
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            preexec_fn=lambda: os.sched_setaffinity(0, cpus),
        )
        self.seconds, self.cpu, self.flops = [], [], None
        words = self.child.stdout.readline().split()
        self.ready = words[:1] == ["ready"]
        self.size = int(words[1]) if len(words) > 1 else 0

    def used(self):
        """Processor seconds of all threads so far."""
        words = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def ask(self, count):
        """Lets the program work so often and returns the seconds of once."""
        self.child.stdin.write(f"{count}\n")
        self.child.stdin.flush()
        return self.answer()

    def answer(self):
        """What the program was asked for."""
        words = self.child.stdout.readline().split()
        self.flops = float(words[1]) if len(words) > 1 else None
        return float(words[0])

    def close(self):
        """Ends the program, and notes the most memory (bytes) that it held."""
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        self.most = next(1024 * int(l.split()[1]) for l in status.splitlines() if l.startswith("VmHWM"))
        self.child.stdin.close()
        self.child.wait()

    def median(self):
        """Median seconds."""
        return middle(self.seconds)


class Copies(Process):
    """A program of one thread on every core at the same time: what the machine has for threads that share nothing."""

    def __init__(self, command, count):
        super().__init__(command, 1)
        self.others = [Process(command, 1, first) for first in range(1, count)]

    def ask(self, count):
        """Lets all work and returns the seconds of once at the mean of their rates."""
        for process in [self, *self.others]:
            process.child.stdin.write(f"{count}\n")
            process.child.stdin.flush()
        rates = [1 / process.answer() for process in [self, *self.others]]
        return len(rates) / sum(rates)

    def close(self):
        """Ends the programs."""
        super().close()
        for process in self.others:
            process.close()


def once(processes, pause=PAUSE):
    """One repetition of each: the mean of as many as SPAN holds, after one that is not timed, where the work is short. The
    programs take turns within the span."""
    if not processes:
        return
    # threads of the program before may look out for work a while longer
    time.sleep(pause)
    first, spent = {}, {}
    for process in processes:
        before = process.used()
        first[process] = process.ask(1)
        spent[process] = process.used() - before
    turns = TURNS if max(first.values()) < SPAN else 1
    sums = {process: [0, 0.0, 0.0] for process in processes}
    for _ in range(turns):
        for process in processes:
            if first[process] >= WARM:
                sums[process] = [1, first[process], spent[process]]
                continue
            if turns > 1:
                process.ask(1)
            count, before = math.ceil(SPAN / turns / first[process]), process.used()
            seconds = process.ask(count) * count
            at = sums[process]
            sums[process] = [at[0] + count, at[1] + seconds, at[2] + process.used() - before]
    for process, (count, seconds, cpu) in sums.items():
        process.seconds.append(seconds / count)
        process.cpu.append(cpu / count)


def pairs(one, other):
    """The median of the ratios of repetitions that were timed by turns."""
    return middle([a / b for a, b in zip(one.seconds, other.seconds)])


def tokens(file, batch, length):
    """Random sequences and their successors, as a data set."""
    import numpy

    x = numpy.random.default_rng(0).integers(0, 24, (batch, length + 1))
    numpy.savez(file, x=x[:, :-1], y=x[:, 1:])
    return f"npz:{file}"


def middle(values):
    """The median."""
    return sorted(values)[len(values) // 2]


def folder_of(network, batch, bench, place):
    """A run directory for a case, and the name of its model."""
    folder = place / (network.replace(":", "_").replace("/", "_") + f"_{batch}")
    if network.startswith("fixture:"):
        name, snapshot = network[len("fixture:") :].split("/")
        if not folder.exists():
            folder.mkdir()
            shutil.copy(DATA / name / "model_legacy17.onnx", folder / "model.onnx")
            shutil.copy(DATA / name / f"{snapshot}.safetensors", folder)
            shutil.copy(DATA / name / "batch.npz", folder)
            shutil.copy(DATA / name / "loss.json", folder)
        return folder, name
    if not folder.exists():
        subprocess.run([bench, "make", network, str(batch), folder], check=True)
    return folder, "mlp"


def main():
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default="")
    parser.add_argument("--precisions", default="f32,f64")
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--peer-reps", type=int, default=None, help="repetitions of the peers, if other than --reps")
    parser.add_argument("--bench", help="the bench binary, if it is built already")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--values", action="store_true", help="compare values instead of timing")
    parser.add_argument("--sweep", action="store_true", help="time what grows")
    options = parser.parse_args()
    bench = options.bench
    if not bench:
        built = subprocess.run(
            ["cargo", "bench", "--no-run", "--bench", "curvature", "--message-format", "json"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        messages = [json.loads(line) for line in built.splitlines() if line.startswith("{")]
        bench = next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "curvature")
    wanted = [c for c in options.cases.split(",") if c]
    with tempfile.TemporaryDirectory() as place:
        if options.values:
            for name, network, batch, quantity, _, _ in CASES:
                label = f"{name} B={batch} {quantity}"
                if quantity == "hessian" and (not wanted or any(w in label for w in wanted)):
                    folder, model = folder_of(network, batch, bench, pathlib.Path(place))
                    command = [sys.executable, __file__, "--compare", bench, folder, model, str(options.threads)]
                    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
            return
        if options.sweep:
            print(f"{'grows':6} {'network':44} {'B':>5} {'T':>3} {'N':>6} {'GFLOP':>9} {'median s':>10} {'1 thread':>10}")
            for what, points in SWEEPS:
                for network, batch, length in points if not wanted or what in wanted else []:
                    folder = pathlib.Path(place) / f"sweep_{network.replace(':', '_')}_{batch}_{length}"
                    data = [tokens(pathlib.Path(place) / f"tokens_{length}.npz", batch, length)] if length else []
                    subprocess.run([bench, "make", network, str(batch), folder, *data], check=True)
                    every = [options.threads, 1]
                    both = [Process([bench, *bench_words("hessian", folder, "f64", t)], t) for t in every]
                    for _ in range(options.reps):
                        once(both)
                    for process in both:
                        process.close()
                    flops, n = both[0].flops / 1e9, both[0].size
                    times = " ".join(f"{process.median():10.4g}" for process in both)
                    print(f"{what:6} {network:44} {batch:5} {length or 1:3} {n:6} {flops:9.3f} {times}", flush=True)
            return
        print(f"{'case':34} {'program':22} {'median s':>10} {'least s':>10} {'cpu s':>10}      ratio  cpu ratio")
        for name, network, batch, quantity, precisions, peers in CASES:
            for precision in [p for p in precisions if p in options.precisions.split(",")]:
                label = f"{name} B={batch} {quantity} {precision}"
                if wanted and not any(w in label for w in wanted):
                    continue
                folder, model = folder_of(network, batch, bench, pathlib.Path(place))
                every = range(1, options.threads + 1)
                ours = {t: Process([bench, *bench_words(quantity, folder, precision, t)], t) for t in every}
                copies = Copies([bench, *bench_words(quantity, folder, precision, 1)], options.threads)
                products = {}
                if quantity == "hessian":
                    words = bench_words("fresh", folder, precision, options.threads)
                    ours["new memory"] = Process([bench, *words], options.threads)
                    products = {t: gemm_processes(bench, precision, t) for t in every}
                others = {}
                for peer in [] if options.no_peers else peers:
                    tried = {}
                    for t in every:
                        command = [sys.executable, __file__, "--serve", folder, model, quantity, precision, peer]
                        process = Process(command, t)
                        if process.ready:
                            once([process])
                            tried[t] = process
                    best = min(tried, key=lambda t: tried[t].seconds[0], default=None)
                    for t, process in tried.items():
                        if t != best:
                            process.close()
                    if best:
                        others[peer] = (best, tried[best], min(p.cpu[0] for p in tried.values()))
                for turn in range(options.reps):
                    once([*ours.values(), copies])
                    once([p for both in products.values() for p in both.values()])
                    for _, process, _ in others.values():
                        if turn < (options.peer_reps or options.reps) - 1:
                            once([process])
                for process in [*ours.values(), copies, *(p for _, p, _ in others.values())]:
                    process.close()
                in_turn = {}
                for t, both in products.items():
                    rates = {k: 54e9 / process.median() for k, process in both.items()}
                    told = ", ".join(f"{k} {v / 1e9:.1f}" for k, v in rates.items())
                    print(f"{'':34} GEMM in turn {precision} {t}t: {told} GFLOP/s")
                    in_turn[t] = min(both.values(), key=Process.median)
                    for process in both.values():
                        process.close()
                for t, process in ours.items():
                    rate = ""
                    if process.flops:
                        rate = f"{process.flops / process.median() / 1e9:8.1f} GFLOP/s"
                        if quantity == "hessian":
                            threads = t if isinstance(t, int) else options.threads
                            own = process.flops / process.median()
                            share = process.flops / 54e9 * pairs(in_turn[threads], process)
                            rate += f", {share:.1%} of GEMM in turn"
                            rate += f", {own / gemm(bench, precision, threads):.0%} alone"
                            matrix = process.size**2 * (4 if precision == "f32" else 8)
                            rate += f", matrix + {(process.most - matrix) / 1e9:.3f} GB"
                    line(label, f"breakeven {t}" + ("t" if isinstance(t, int) else ""), process, rate)
                base = ours[options.threads].median()
                cpu = min(middle(ours[t].cpu) for t in every)
                if options.threads > 1:
                    told = f"{options.threads} threads / 1: {pairs(ours[1], ours[options.threads]):.3f}x"
                    most = options.threads * pairs(ours[1], copies)
                    print(f"{'':34} {told}; {options.threads} copies of 1 thread: {most:.3f}x")
                for peer, (t, process, first) in others.items():
                    least = min(middle(process.cpu), first)
                    ratio = f"{process.median() / base:8.2f}x {least / max(cpu, 1e-9):8.2f}x, {process.most / 1e9:.3f} GB"
                    line(label, f"{peer} {t}t", process, ratio)


GEMM = {}


NUMPY_GEMM = """
import numpy, sys, time
a = numpy.random.default_rng(0).random((3000, 3000)).astype(sys.argv[1])
a @ a
print("ready", flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    a @ a
    print(time.perf_counter() - start, flush=True)
"""


def gemm_processes(bench, precision, threads):
    """Products of 3000 x 3000 matrices by faer and numpy, to be timed in turn with the rest."""
    dtype = {"f32": "float32", "f64": "float64"}[precision]
    return {
        "numpy": Process([sys.executable, "-c", NUMPY_GEMM, dtype], threads),
        "faer": Process([bench, "gemm", precision, str(threads), "-"], threads),
    }


def gemm(bench, precision, threads):
    """Operations per second of the best of them, one after the other with nothing in between."""
    if (precision, threads) not in GEMM:
        rates = {}
        for name, process in gemm_processes(bench, precision, threads).items():
            for _ in range(6):
                once([process], pause=0)
            process.close()
            rates[name] = 54e9 / process.median()
        told = ", ".join(f"{k} {v / 1e9:.1f}" for k, v in rates.items())
        print(f"{'':34} GEMM alone {precision} {threads}t: {told} GFLOP/s")
        GEMM[precision, threads] = max(rates.values())
    return GEMM[precision, threads]


def bench_words(quantity, folder, precision, threads):
    """The words that make the bench serve."""
    if quantity in ("hessian", "fresh"):
        return [quantity, folder, precision, str(threads), "-"]
    return ["product", folder, precision, str(threads), "-", quantity[len("product") :]]


def line(label, program, process, ratio):
    """One line of the table."""
    print(f"{label:34} {program:22} {process.median():10.4g} {min(process.seconds):10.4g} {middle(process.cpu):10.4g}   {ratio}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    elif sys.argv[1:2] == ["--compare"]:
        compare(*sys.argv[2:])
    else:
        main()
