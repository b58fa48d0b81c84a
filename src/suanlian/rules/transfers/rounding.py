"""From a flow that may be parted to one route for each transfer, with every deadline that no plan at all would hold.

Transfers are put into what is free one after the other, those with the least time to spare first, each by the route
that carried most of it in the flow, at the flow's prices. Where a deadline is lost that the baseline holds, it and what
shares its link are fixed to their direct links, the nearest deadline first, and all is put in anew: fixed alone they
hold, for the nearest deadline first holds whatever can be held on one link. In the end each is taken out and put in
again as long as that is better.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from suanlian.rules.transfers.baseline import Baseline
from suanlian.rules.transfers.book import NEVER, Book, Placed
from suanlian.rules.transfers.grid import Room
from suanlian.rules.transfers.ready import Job, Ready
from suanlian.rules.transfers.relaxed import Relaxed

ROUNDS: Final = 4
"""So often single transfers are fixed; then all that the baseline holds."""
PASSES: Final = 2
_SURE: Final = 1e-9
_NEARLY: Final = 1.01
"""A route that could save less than that at the very best is not tried."""


@dataclass(frozen=True, slots=True)
class Rounded:
    """What each job has, None where it has no way; how often all was put in anew."""

    placed: tuple[Placed | None, ...]
    rounds: int


def round_off(ready: Ready, flow: Relaxed, base: Baseline) -> Rounded:
    """One route for each job, and of each link in each slot what it takes."""
    making = _Rounding(ready, flow, base)
    made = making.run()
    for _ in range(PASSES):
        if not making.improve():
            break
    return Rounded(tuple(making.placed), made)


class _Rounding:
    """One plan in the making."""

    def __init__(self, ready: Ready, flow: Relaxed, base: Baseline) -> None:
        self.ready, self.jobs, self.flow, self.base = ready, ready.jobs, flow, base
        self.hysteresis = ready.problem.weights.hysteresis
        self.book = Book(ready)
        self.placed: list[Placed | None] = [None] * len(ready.jobs)
        self.order = _order(ready)
        self.least = [self.book.least(job) for job in ready.jobs]

    def run(self) -> int:
        """Put all in until no deadline is lost that the baseline holds; then once more, if fewer are late by it."""
        fixed: set[int] = set()
        rounds = 1
        self._put_all(fixed, set())
        while lost := self._lost():
            held = {n for n in range(len(self.jobs)) if self.base.met[n] and self.base.row[n] >= 0}
            links = {int(self.base.row[n]) for n in lost}
            near = {n for n in held if int(self.base.row[n]) in links}
            fixed = fixed | near if rounds < ROUNDS else held
            rounds += 1
            self._put_all(fixed, set())
        late = self._late()
        if late - fixed:
            kept, before = (self.book, self.placed), self._missed()
            rounds += 1
            self._put_all(fixed, late)
            if self._lost() or self._missed() >= before:
                self.book, self.placed = kept
        return rounds

    def _put_all(self, fixed: set[int], first: set[int]) -> None:
        """Everything anew: what is fixed by the nearest deadline, then those to be ``first``, then the others."""
        self.book = Book(self.ready)
        self.placed = [None] * len(self.jobs)
        for n in sorted(fixed, key=lambda n: (self.jobs[n].due, n)):
            self._keep(n, self.book.soonest(self.jobs[n], int(self.base.route[n]), int(self.base.row[n])))
        self.book.guided(self.flow.prices)
        for n in sorted((n for n in self.order if n not in fixed), key=lambda n: n not in first):
            self._keep(n, self._first_good(n))
        self.book.guided(None)

    def _keep(self, n: int, placed: Placed | None) -> None:
        if placed is not None:
            self.book.take(placed)
        self.placed[n] = placed

    def _first_good(self, n: int) -> Placed | None:
        """The best of the routes that carry some of it in the flow; where none is on time, the best of all."""
        job, flows, best = self.jobs[n], self.flow.flows[n], None
        likely = sorted(range(len(job.routes)), key=lambda m: (-round(float(flows[m]), 6), m))
        if job.routes and job.routes[0].going:
            likely.sort(key=lambda m: m != 0)
        for m in likely:
            good = best is not None and not best.left and not best.late
            if best is not None and good and (job.routes[best.route].going or (flows.any() and flows[m] <= 0)):
                break
            one = self.book.place(job, m)
            if one is not None and (best is None or one.key < best.key):
                best = one
        return best

    def _is_late(self, n: int) -> bool:
        one = self.placed[n]
        return one is None or one.left > 0 or one.late > 0

    def _lost(self) -> set[int]:
        """Those that are late though the baseline has them there in time."""
        return {n for n, job in enumerate(self.jobs) if self.base.met[n] and job.due < NEVER and self._is_late(n)}

    def _late(self) -> set[int]:
        """Those that miss their deadline, or the horizon."""
        return {n for n, job in enumerate(self.jobs) if job.routes and self._is_late(n)}

    def _missed(self) -> tuple[float, float]:
        """How much is late, by weight; and all that it costs."""
        late = sum(self.jobs[n].weight for n in self._late())
        return late, sum(one.value for one in self.placed if one is not None)

    def improve(self) -> bool:
        """Take each out and put it in again where that is better. Whether any was."""
        better = False
        for n in self.order:
            was, job = self.placed[n], self.jobs[n]
            if was is None or not was.pieces:
                continue
            # without the guide it is worth something else
            now = self.book.valued(job, was.route, was.pieces, was.left, was.ends)
            self.book.give(was)
            best = self._best(job, now, self.least[n])
            self._keep(n, best)
            better |= best is not now
        return better

    def _best(self, job: Job, now: Placed, least_of: Sequence[float]) -> Placed:
        best = now
        for m, route in enumerate(job.routes):
            if m != now.route and not best.left and not best.late and least_of[m] * _NEARLY >= best.value:
                continue
            one = self.book.place(job, m)
            if one is None:
                continue
            changes = job.routes[now.route].going and not route.going and one.key[:2] == now.key[:2]
            least = self.hysteresis * now.value if changes else 0.0
            if one.key[:2] < best.key[:2] or (
                one.key[:2] == best.key[:2] and one.value < best.value - _SURE and one.value < now.value - least
            ):
                best = one
        return best


def _order(ready: Ready) -> list[int]:
    """The least time to spare first; what has no deadline by weight, then each account's smallest in turn."""
    jobs = ready.jobs
    quickest = [
        min((_least_us(job, route.legs[-1].link, ready.room) for route in job.routes if route.legs), default=0.0)
        for job in jobs
    ]
    turn: dict[tuple[str, float], int] = {}
    turns = [0] * len(jobs)
    for n in sorted(range(len(jobs)), key=lambda n: (jobs[n].size, jobs[n].id)):
        key = jobs[n].account, jobs[n].weight
        turns[n] = turn[key] = turn.get(key, -1) + 1

    def place(n: int) -> tuple[bool, float, float, int, int, str]:
        job = jobs[n]
        timely = job.due < NEVER
        spare = job.due - quickest[n] if timely else 0.0
        return not timely, spare, -job.weight, turns[n], job.size, job.id

    return sorted(range(len(jobs)), key=place)


def _least_us(job: Job, link: int, room: Room) -> float:
    """Microseconds that it takes alone, at what passes on the whole."""
    span = float(room.arrive[link, -1])
    return job.size * span / max(float(room.free[link].sum()), 1.0)
