"""Reference values of the functions of src/expr/kernel.rs in 60 digits: python kernels.py > kernels.csv (mpmath).

Each row: the function, its arguments, the nearest double of the value, and what that double misses of the value in
units of its last place. The arguments cover subnormals, the neighbourhood of 1, whole powers and the ends of the range.
"""

import math
import random

from mpmath import mp, mpf

mp.dps = 60
rng = random.Random(2026)


def anywhere():
    return math.ldexp(rng.uniform(1, 2), rng.randint(-1022, 1023))


def subnormal():
    return math.ldexp(rng.randint(1, 2**40), -1074)


def near_one():
    return 1 + rng.choice([-1, 1]) * 10 ** rng.uniform(-15, -0.4)


def moderate():
    return 10 ** rng.uniform(-6, 12)


def positive(i):
    return [anywhere, subnormal, near_one, moderate, moderate, near_one][i % 6]()


def row(name, x, y, value):
    nearest = float(value)
    if nearest == 0 or math.isinf(nearest) or abs(nearest) < 2.0**-1022:
        return
    missing = (value - mpf(nearest)) / mpf(math.ulp(nearest))
    print(f"{name},{x!r},{y!r},{nearest!r},{float(missing):.9f}")


print("function,x,y,nearest,missing_ulps")
for i in range(180):
    x = positive(i)
    row("ln", x, 0.0, mp.log(mpf(x)))
    x = positive(i)
    row("log2", x, 0.0, mp.log(mpf(x)) / mp.log(2))
    e = [rng.uniform(-708, 709), rng.uniform(-1, 1), rng.choice([-1, 1]) * 10 ** rng.uniform(-12, 0)][i % 3]
    row("exp", e, 0.0, mp.exp(mpf(e)))
    x = positive(i)
    row("third", x, 1 / 3, mpf(x) ** mpf(1 / 3))
    x = positive(i)
    limit = 700 / max(abs(math.log(x)), 1e-3)
    y = rng.choice([rng.uniform(-min(limit, 50), min(limit, 50)), float(rng.randint(5, 9)), 1.5, -0.25])
    if abs(y) < limit:
        row("power", x, y, mpf(x) ** mpf(y))
