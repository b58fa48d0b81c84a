"""A bound that owes little to the matcher: OR-Tools' PDLP on the relaxation, then the dual at its prices, exactly.

The program is given to PDLP with each demand's best pools alone, by reduced cost at well-converged prices, so that it
fits; begun there, it says how far its own solution is from them. What it finds is made valid for all pools by
evaluating the dual at its prices with the whole look: any prices give a bound. The reference is the best that is
proven.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from suanlian.rules.matching.arrays import Array, Demands, Floats, Match, Pools
from suanlian.rules.matching.dual import Room, Sample, ascend
from suanlian.rules.matching.matching import bound
from suanlian.rules.matching.problem import Order, prepare
from suanlian.rules.matching.scan import Prices, best, bound_of

COOLING: Final = ((0.0015, 5), (0.0005, 7), (0.0001, 8))
KEPT: Final = 48
SURE: Final = 8
WIDTH: Final = 0.1
COLUMNS: Final = 24
NEAR: Final = 0.05
TOLERANCE: Final = 1e-5


class Reference(NamedTuple):
    """The proven bound; that at our refined prices [M, 1], at PDLP's; and what PDLP says of its smaller program."""

    bound: float
    prices: Floats
    refined: float
    pdlp: float
    primal: float
    dual: float
    reason: str


def reference(demands: Demands, pools: Pools, made: Match, seconds: float) -> Reference:
    """The reference bound, from the prices of a match; PDLP stops after ``seconds``; 0: without it."""
    problem, classes, order = prepare(demands, pools)
    rows = np.arange(len(demands))
    everybody = Sample(rows, rows, np.ones(len(rows)))
    scale = float(made.total / problem.demand["work"].sum())
    room = Room(problem.capacity, problem.quota_limit)
    at = Prices(made.prices[order.pools], made.quota_prices)
    tops = [(made.bound, at)]
    for tau, steps in COOLING:
        lines, _, _ = best(problem, classes, at, rows, KEPT, SURE, WIDTH * scale)
        at, *_ = ascend(problem, at, lines, everybody, room, tau * scale, steps)
        _, least, _ = best(problem, classes, at, rows, 1)
        tops.append((bound_of(problem, at, least), at))
    refined, at = max(tops, key=lambda top: top[0])
    if seconds <= 0:
        return Reference(refined, _out(at, order), refined, -np.inf, np.nan, np.nan, "left out")
    lines, least, _ = best(problem, classes, at, rows, COLUMNS, SURE // 2, NEAR * scale)
    _, share, _, _ = ascend(problem, at, lines, everybody, room, COOLING[-1][0] * scale, 0)
    given = {"pool": lines.pool, "cost": lines.cost, "used": lines.used, "share": share, "least": least}
    given |= {"outside": problem.demand["outside"], "capacity": problem.capacity[:, 0], "prices": at.pools[:, 0]}
    out = _pdlp({**given, "tolerance": np.array(TOLERANCE), "seconds": np.array(seconds)})
    proven = bound(demands, pools, _out(Prices(out["prices"][:, None], at.quotas), order))
    return Reference(
        max(refined, proven),
        _out(at, order),
        refined,
        proven,
        float(out["primal"]),
        float(out["dual"]),
        str(out["reason"]),
    )


def _out(at: Prices, order: Order) -> Floats:
    """Prices by the caller's rows of pools."""
    prices = np.empty(at.pools.shape)
    prices[order.pools] = at.pools
    return prices


def _pdlp(arrays: dict[str, Array]) -> dict[str, Array]:
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(given, allow_pickle=False, **arrays)
        subprocess.run([sys.executable, "-m", "bench.matching.pdlp", str(given), str(out)], check=True)
        with np.load(out) as found:
            return dict(found)
