"""The waiting work and the places of one moment as the arrays that the matcher takes.

Resources are, in this order, cores, cards, GiB of memory, GiB of disk; cores are the primary one, since every job wants
some. Capacity is what is free within the window, in unit-hours. Money is an estimate in CNY. What is billed and what an
explanation weighs besides are both in it (``weighing``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from suanlian.model.energy import NO_ENERGY, Energy
from suanlian.model.ids import ShareId
from suanlian.model.job import JobSpec
from suanlian.model.market import PRICE_STEP, WINDOW
from suanlian.model.owner import JoinLevel
from suanlian.model.place import Demand, Place
from suanlian.model.quantity import BASE_PER_UNIT, ResourceKind
from suanlian.rules.admitting import Admissions, Bits, Sizes, barred, closes_too_soon
from suanlian.rules.matching.arrays import Demands, Floats, Ints, Pools, Sites
from suanlian.rules.normalising import Known, Ruler
from suanlian.rules.pricing import expected_hours
from suanlian.rules.weighing import Task, Weighed, Weights

ORDER: Final = (ResourceKind.CPU, ResourceKind.ACCELERATOR, ResourceKind.MEMORY, ResourceKind.DISK)
"""The resources of the arrays."""
PIECES: Final = 32
"""The waiting tasks of a job are matched in so many pieces at most, each half as large as the one before."""
WORTH: Final = 4.0
"""What work is worth at most, in times of its least rent; so dear may the last free hour become. What it weighs where
that is most comes to it: no weight alone bars a place."""
LEAST_CNY: Final = 0.001
"""Work that costs nothing anywhere is worth so much for a core-hour, times ``WORTH``."""
_LEAST_LEFT_S: Final = 60.0
_NEARLY: Final = 0.99
"""So much of the window at most: a share that runs one thing alone has room for it, whatever rounding does."""
_HOUR_S: Final = 3600.0
_WORD: Final = 64


@dataclass(frozen=True, slots=True)
class Running:
    """Where a task runs, in which variant, how long it has, how much of that elsewhere would have to be done again.

    ``moving``: CNY that going elsewhere costs besides.
    """

    share_id: ShareId
    variant: int
    ran_s: float
    lost_s: float
    moving: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """The tasks of one job that wait alike: ``count`` of them; ``weight``: priority and fair share, 1 is usual.

    ``running``: it is one task, and it does not wait.
    """

    job_id: str
    demand: Demand
    count: int
    weight: float = 1.0
    known: Known | None = None
    running: Running | None = None


@dataclass(frozen=True, slots=True)
class Compiled:
    """The problem, and what its rows are: ``job`` [N] of each demand the row of the waiting jobs, ``tasks`` [N]."""

    pools: Pools
    demands: Demands
    job: Ints
    tasks: Ints
    shares: tuple[ShareId, ...]
    nowhere: tuple[int, ...]
    """Waiting jobs, by row, that no place could run at all: they are not among the demands."""


def compiled(  # noqa: PLR0913, PLR0917 - what waits, where, and all by which both are compared
    waiting: Sequence[Waiting],
    places: Sequence[Place],
    hours: Mapping[ShareId, Mapping[ResourceKind, float]],
    admissions: Admissions,
    now: datetime,
    energy: Energy = NO_ENERGY,
    rest: Callable[[], None] = lambda: None,
) -> Compiled:
    """Put it together. ``hours``: of each share the free unit-hours of the window; a share without has none.

    What runs has to be at one of the places, and ``hours`` counts what it uses as free.
    ``rest`` is called after each job: others that wait for this processor may go first.
    """
    pools = _pools(places, hours)
    at = {place.share_id: n for n, place in enumerate(places)}
    jobs = _Jobs(pools, _Speeds(places, now), Weights(places, energy, now), at)
    sizes = Sizes.of(places)
    bits = admissions.of([one.demand for one in waiting], places, now, rest)
    first = dict[int, int]()
    for n, (one, mask) in enumerate(zip(waiting, bits, strict=True)):
        # jobs that ask the very same, of which nothing more is known, are answered once
        is_usual = one.known is None and one.running is None
        if is_usual and (like := first.setdefault(id(one.demand), n)) != n:
            jobs.add_like(like)
        else:
            fit = np.where(_allowed(one, sizes, places, now), mask, np.uint32(0))
            fit[barred(one.demand, places)] = 0
            jobs.add(one, fit)
        rest()
    able = [n for n, fit in enumerate(jobs.fits) if fit.any()]
    pieces = [(n, size) for n in able for size in _pieces(waiting[n].count)]
    job = np.array([n for n, _size in pieces], dtype=np.int64)
    tasks = np.array([size for _n, size in pieces], dtype=np.int64)
    nowhere = tuple(sorted(set(range(len(waiting))) - set(able)))
    shares = tuple(place.share_id for place in places)
    return Compiled(pools, jobs.demands(waiting, job, tasks), job, tasks, shares, nowhere)


def room_now(places: Sequence[Place]) -> Floats:
    """[M, R] units that are free now; nothing of what is kept for a gang."""
    return _table([[0.0] * len(ORDER) if place.kept else _units(place.free.base()) for place in places])


def quantised(prices: Floats) -> list[dict[ResourceKind, Decimal]]:
    """Shadow prices [M, R] as everything uses them: rounded to ``PRICE_STEP``, for each share, zeros left out."""
    step = float(PRICE_STEP)
    whole = np.rint(np.maximum(prices, 0.0) / step).astype(np.int64)
    return [
        {kind: int(count) * PRICE_STEP for kind, count in zip(ORDER, row, strict=True) if count}
        for row in whole.tolist()
    ]


def _pieces(count: int) -> list[int]:
    """The tasks of a job, in few pieces: the first ones large, so that what is left over is small."""
    found: list[int] = []
    while count > 0:
        size = count if len(found) == PIECES - 1 else -(-count // 2)
        found.append(size)
        count -= size
    return found


def _allowed(one: Waiting, sizes: Sizes, places: Sequence[Place], now: datetime) -> npt.NDArray[np.bool_]:
    """[M] where the job could run by its size and its time, if there was room."""
    fits = sizes.hold(one.demand.spec)
    for n in closes_too_soon(one.demand, places, now):
        fits[n] = False
    return fits


class _Speeds:
    """How long jobs take at each place, as a share of their wall time; one row for all that tell no places apart."""

    def __init__(self, places: Sequence[Place], now: datetime) -> None:
        self._places, self._now = places, now
        self.rows: list[Floats] = [np.ones(len(places))]

    def row_of(self, one: Waiting, fit: Bits) -> int:
        spec = one.demand.spec
        if spec.job_class is None and all(variant.throughput is None for variant in spec.variants):
            return 0
        ruler = Ruler(one.demand, self._places, one.known or Known(), self._now)
        row = np.ones(len(self._places))
        for n in np.flatnonzero(fit):
            row[n] = self._fastest(one, self._places[int(n)], int(fit[n]), ruler)
        self.rows.append(row)
        return len(self.rows) - 1

    def _fastest(self, one: Waiting, place: Place, may: int, ruler: Ruler) -> float:
        """How many times faster than its wall time the best of the variants that may run there is expected to be."""
        spec, found = one.demand.spec, 0.0
        for number, variant in enumerate(spec.variants):
            if may >> number & 1:
                expected = ruler.expected(place, variant)
                hours = float(expected_hours(spec, variant)) if expected is None else float(expected.seconds) / _HOUR_S
                found = max(found, spec.expected_s / _HOUR_S / hours)
        return found or 1.0


def _pools(places: Sequence[Place], hours: Mapping[ShareId, Mapping[ResourceKind, float]]) -> Pools:
    m = len(places)
    rows = np.arange(m, dtype=np.int64)
    none = np.zeros(m, dtype=np.int64)
    # distances and power are in what is weighed of each job
    near = np.zeros((1, m))
    return Pools(
        # what may go where is said by bits of owners, so each place is its own; so is its speed
        site=rows,
        owner=rows,
        family=rows,
        tier=none,
        jurisdiction=none,
        size=np.array([_units(place.share.capacity.base())[0] for place in places]),
        capacity=_table([[max(0.0, hours.get(p.share_id, {}).get(kind, 0.0)) for kind in ORDER] for p in places]),
        price=_table([_prices(place) for place in places]),
        carbon=np.zeros(m),
        green=np.zeros(m),
        sites=Sites(latency=near, egress=near, transfer=near),
    )


class _Jobs:
    """What is known of each job, in their order: where it may run, how fast, and what it weighs there."""

    def __init__(self, pools: Pools, speeds: _Speeds, weights: Weights, at: Mapping[ShareId, int]) -> None:
        self._pools, self._speeds, self._weights, self._at = pools, speeds, weights, at
        self.fits: list[Bits] = []
        self._kinds: list[int] = []
        self._weighed: list[Weighed] = []
        self._amounts: list[list[float]] = []
        self._left: list[Left] = []

    def add(self, one: Waiting, fit: Bits) -> None:
        """``fit``: where it may run as far as its kind, its size and its time go."""
        home, runs = -1, one.running
        if runs is not None:
            home, fit = self._at[runs.share_id], fit.copy()
            fit[home] = np.uint32(1 << runs.variant)  # it does run there, so, whatever is asked of a newcomer
        kind = self._speeds.row_of(one, fit) if fit.any() else 0
        faster, spec = self._speeds.rows[kind], one.demand.spec
        fit = np.where(self._weights.little_enough(spec, faster) | _only(home, len(faster)), fit, np.uint32(0))
        left = left_of(spec, runs, float(faster[home]) if home >= 0 else 1.0, home)
        spec = left.spec
        rent = self._pools.price @ np.array(_units(spec.total.base())) * (spec.expected_s / _HOUR_S) / faster
        self.fits.append(fit)
        self._amounts.append(_units(one.demand.spec.total.base()))
        self._kinds.append(kind)
        self._left.append(left)
        self._weighed.append(
            self._weights.of(Task(spec, faster, rent, one.demand.moving), kind) if fit.any() else Weighed(0, 0.0)
        )

    def add_like(self, row: int) -> None:
        """One that is as another was, by its row."""
        self.fits.append(self.fits[row])
        self._amounts.append(self._amounts[row])
        self._left.append(self._left[row])
        self._kinds.append(self._kinds[row])
        self._weighed.append(self._weighed[row])

    def demands(self, waiting: Sequence[Waiting], job: Ints, tasks: Ints) -> Demands:
        """The demands [N]: of each the job, by row, and how many of its tasks."""
        rows, left = [waiting[n] for n in job], [self._left[n] for n in job]
        amounts = _table([self._amounts[n] for n in job])
        units = amounts[:, 0]
        need = amounts[:, 1:] / units[:, None]
        hours: Floats = np.array([one.spec.expected_s / _HOUR_S for one in left], dtype=np.float64) * tasks
        kind = np.array([self._kinds[n] for n in job], dtype=np.int64)
        throughput, further = np.stack(self._speeds.rows), self._weights.table
        fits = [self.fits[n] for n in job]
        mask = np.stack(fits) != 0 if fits else np.zeros((0, len(self._pools)), dtype=bool)
        row = np.array([self._weighed[n].row for n in job], dtype=np.int64)
        times = np.array([self._weighed[n].times for n in job], dtype=np.float64) * tasks
        most = np.where(mask, times[:, None] * further[row], 0.0).max(axis=1, initial=0.0)
        home = np.array([one.home for one in left], dtype=np.int64)
        value = _worth(units * hours, need, throughput[kind], mask, self._pools)
        # what runs is worth going on with, however dear the place is
        here = np.array([self._at_home(*pair) for pair in zip(rows, left, strict=True)], dtype=np.float64)
        value = np.maximum(value, WORTH * here) + most
        made = Demands(
            throughput=throughput,
            kind=kind,
            region=np.zeros(len(rows), dtype=np.int64),
            units=units,
            hours=hours,
            value=value,
            weight=np.array([one.weight for one in rows], dtype=np.float64),
            need=need,
            owners=_words(mask),
            budget=np.where(home < 0, _budgets(rows, tasks), np.inf),
            further=further,
            further_row=row,
            further_times=times,
        )
        if not (home >= 0).any():
            return made
        share = np.array([one.share for one in left], dtype=np.float64)
        moving = np.array([0.0 if one.running is None else one.running.moving for one in rows], dtype=np.float64)
        return replace(made, home=home, home_share=share, moving=moving)

    def _at_home(self, one: Waiting, left: "Left") -> float:
        """CNY of rent of all that is left, at the price of home; 0 of what waits."""
        if left.home < 0:
            return 0.0
        units = np.array(_units(one.demand.spec.total.base()))
        return float(self._pools.price[left.home] @ units) * left.spec.expected_s / _HOUR_S


class Left(NamedTuple):
    """What is still to be done of a task: as a spec whose estimate it is, and the share of it that is left at home."""

    spec: JobSpec
    home: int = -1
    share: float = 1.0


def left_of(spec: JobSpec, runs: Running | None, faster: float, home: int) -> Left:
    """Of what waits all; of what runs the rest of its expected time, and elsewhere what would be lost as well.

    ``faster``: so many times faster than stated it is where it runs. What ran longer than expected has a minute left.
    No more is looked at than fits into the window.
    """
    if runs is None:
        return Left(spec)
    most = WINDOW.total_seconds() * _NEARLY
    rest = min(most, max(_LEAST_LEFT_S, spec.expected_s - runs.ran_s * faster))
    again = min(most - rest + 1, min(runs.lost_s, runs.ran_s) * faster)
    whole = min(spec.wall_time_s, max(1, round(rest + again)))
    return Left(spec.model_copy(update={"estimate_s": whole}), home, rest / (rest + again))


def _only(home: int, places: int) -> npt.NDArray[np.bool_]:
    """[M] the home alone."""
    found = np.zeros(places, dtype=bool)
    if home >= 0:
        found[home] = True
    return found


def _worth(work: Floats, need: Floats, speed: Floats, mask: npt.NDArray[np.bool_], pools: Pools) -> Floats:
    """[N] CNY: so many times what it costs where it costs least."""
    per_hour = pools.price[:, 0][None, :] + need @ pools.price[:, 1:].T
    cost = np.where(mask, per_hour / speed, np.inf)
    least = np.maximum(cost.min(axis=1, initial=np.inf), LEAST_CNY)
    return np.asarray(WORTH * work * np.where(np.isfinite(least), least, LEAST_CNY))


def _budgets(rows: Sequence[Waiting], tasks: Ints) -> Floats:
    """[N] CNY that may be billed for the piece; infinite where nobody said."""
    most = [one.demand.spec.wants.max_cost for one in rows]
    return np.array([np.inf if limit is None else float(limit) for limit in most], dtype=np.float64) * tasks


def _prices(place: Place) -> list[float]:
    """[R] CNY per unit-hour; nothing where nothing is asked, as below the level trade, whatever is offered there."""
    sold = place.offer if place.level is JoinLevel.TRADE else None
    rates = {} if sold is None else {rate.kind: float(rate.per_unit_hour) for rate in sold.rates}
    return [rates.get(kind, 0.0) for kind in ORDER]


def _units(base: Mapping[ResourceKind, int]) -> list[float]:
    return [base.get(kind, 0) / BASE_PER_UNIT[kind] for kind in ORDER]


def _table(rows: list[list[float]]) -> Floats:
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(ORDER))


def _words(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """[N, W] the mask [N, M] as bits, 64 to a word."""
    n, m = mask.shape
    words = max(1, -(-m // _WORD))
    padded = np.zeros((n, words * _WORD), dtype=np.uint8)
    padded[:, :m] = mask
    packed = np.packbits(padded, axis=1, bitorder="little")
    return packed.view("<u8").reshape(n, words).astype(np.uint64)
