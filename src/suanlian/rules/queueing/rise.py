"""How much more might an owner ask for at home while a guest is there? Learned from what came and had to start at once.

Work that would have started at once at a home alone is what nobody could foresee: work that would have waited holds a
reservation. Seen as bursts that come at random, its sum over a time has a variance that grows with that time, so the
rise that must be reckoned with grows with the root of a guest's length. One burst is what comes within an hour or so:
jobs that come together count together. An own job that may move needs its home less: it counts for a part.
"""

import numpy as np

from suanlian.rules.matching.compiled import compiled
from suanlian.rules.queueing.state import ELSEWHERE, HALF_LIFE, State

BURST_S = 3600.0
"""Half life of a burst."""
LONGEST_S = 86_400.0
"""In more than a day what came first has ended: the rise grows no more. Less than a day teaches no pace."""
LN_2 = 0.6931471805599453


@compiled
def note(s: State, job: int) -> None:
    """An own job has come that would have started at once at a home alone."""
    pool, units = s.home[job], float(s.units[job])
    if s.movable[job]:
        units *= s.policy[ELSEWHERE]
    if s.risen[pool] == 0.0:
        s.seen_from[pool] = s.risen_at[pool] = s.submit[job]
    past = max(s.submit[job] - s.risen_at[pool], 0.0)
    s.risen_at[pool] = max(s.submit[job], s.risen_at[pool])
    s.burst[pool] *= 0.5 ** (past / BURST_S)
    s.risen[pool] *= 0.5 ** (past / s.policy[HALF_LIFE])
    s.risen[pool] += units * (units + 2.0 * s.burst[pool])  # the square of the burst grows by so much
    s.burst[pool] += units


@compiled
def rise(s: State, pool: int, length: float, now: float) -> float:
    """The standard deviation of what an owner asks for at once within ``length`` (s), in units."""
    if s.risen[pool] == 0.0:
        return 0.0
    half = s.policy[HALF_LIFE]
    squares = s.risen[pool] * 0.5 ** (max(now - s.risen_at[pool], 0.0) / half)
    watched = (1.0 - 0.5 ** (max(now - s.seen_from[pool], 0.0) / half)) * half / LN_2
    return float(np.sqrt(squares / max(watched, LONGEST_S) * min(length, LONGEST_S)))
