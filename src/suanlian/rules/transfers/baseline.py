"""What comes of it where nobody plans: each transfer goes at once over its quickest direct link, shared in equal parts.

A plan is measured against it, and holds every deadline that it holds.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from suanlian.rules.transfers.grid import GB, Floats, Grid, Ints
from suanlian.rules.transfers.problem import Problem
from suanlian.rules.transfers.ready import Job, Ready

NOT: Final = -1


class Baseline(NamedTuple):
    """What becomes of each job.

    ``row``: [N] the link of each, -1 without one. ``ends``: [N] microseconds, the largest number for never.
    ``route``: [N] among its routes. ``met``: [N] whether it is there by its deadline. ``money``: [N] CNY.
    """

    row: Ints
    route: Ints
    ends: Ints
    met: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    money: Floats


def baseline(ready: Ready) -> Baseline:
    """All of them side by side. What an account has reserved is left out: it only helps."""
    problem, grid, room, jobs = ready
    never = int(np.iinfo(np.int64).max)
    count = len(jobs)
    row, route = np.full(count, NOT, np.int64), np.full(count, NOT, np.int64)
    ends, money = np.full(count, never), np.zeros(count)
    by_row: dict[int, list[int]] = defaultdict(list)
    for n, job in enumerate(jobs):
        route[n] = _quickest(job, problem)
        if route[n] == NOT:
            continue
        legs = job.routes[route[n]].legs
        if not legs or not job.size:
            ends[n] = job.ready
            continue
        row[n] = legs[0].link
        by_row[legs[0].link].append(n)
    for link, members in by_row.items():
        shared = _shared([jobs[n] for n in members], room.free[link], grid)
        for n, (end, first) in zip(members, shared, strict=True):
            ends[n] = end
            if end < never:
                leg = jobs[n].routes[route[n]].legs[0]
                last = int(np.searchsorted(grid.ends, end))
                money[n] = jobs[n].size / GB * (leg.egress + float(room.price[link, first : last + 1].mean()))
    due = np.array([job.due for job in jobs], np.int64) if count else np.zeros(0, np.int64)
    return Baseline(row, route, ends, ends <= due, money)


def _quickest(job: Job, problem: Problem) -> int:
    """The direct route over the quickest wire; the first of equal ones."""
    able = [
        (-problem.links[one.legs[0].link].mbps if one.legs else -np.inf, n)
        for n, one in enumerate(job.routes)
        if len(one.legs) <= 1 and not (one.legs and problem.links[one.legs[0].link].courier)
    ]
    return min(able)[1] if able else NOT


def _shared(jobs: Sequence[Job], free: Ints, grid: Grid) -> list[tuple[int, int]]:
    """When each ends, by slots, and the slot in which it begins: between arrivals all that run get the same."""
    never = int(np.iinfo(np.int64).max)
    left = [job.size for job in jobs]
    ends = [never] * len(jobs)
    begins = [int(np.searchsorted(grid.starts, job.ready)) for job in jobs]
    marks = [*sorted(set(begins)), len(grid)]
    for low, high in pairwise(marks):
        able = np.cumsum(free[low:high])
        running = sorted((n for n in range(len(jobs)) if begins[n] <= low and left[n]), key=lambda n: (left[n], n))
        done, level = 0, 0
        for at, n in enumerate(running):
            # until this one is whole, all that are left have had as much as it
            needed = done + left[n] * (len(running) - at)
            slot = int(np.searchsorted(able, needed))
            if slot == len(able):
                level = (int(able[-1]) - done) // (len(running) - at) if len(able) else 0
                for other in running[at:]:
                    left[other] -= level
                break
            ends[n] = int(grid.ends[low + slot])
            done, left[n] = done + left[n], 0
    return list(zip(ends, begins, strict=True))
