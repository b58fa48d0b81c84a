"""Which transfer goes which way, when and how fast, until the horizon? The one call of the room.

    plan(Problem(
        transfers=(Transfer(id, bytes, target, sources=(Source(site, egress_cny_per_gb, storage), ...), account,
                            deadline, weight, begins, going=Going(source, links)), ...),
        links=(Link(name, start, end, mbps, cny_per_gb, hours, factors, courier=Courier(hours, bytes)), ...),
        moment=now,                                  # with a zone
        reserved=(Reserved(link, account, start, end, mbps), ...),
        relays={site: egress_cny_per_gb, ...},       # where a copy may stand between
        weights=Weights(early, late, other_hours, hysteresis, preferred_hours),
        horizon=timedelta(hours=48),
    )) -> Plan(transfers=(Planned(id, way, source, relay, links, windows=(Window(leg, link, start, end, bytes, mbps,
               reserved), ...), begins, ends, left, egress_cny, link_cny, late_s, why), ...), cost_cny, late, scarce)

Plain values in and out, no clock and no chance: the same problem has the same plan. What goes on is handed in again
with the bytes that are left and ``going``; it keeps its route unless another saves more than the hysteresis. When a
link degrades, hand in what really passes as its ``mbps`` and plan anew. A second leg begins when the first is whole.

Raises TransfersError where a problem is too large (5,000 transfers, 10,000 links, 500 sites) or cannot be meant.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np

from suanlian.rules.transfers.baseline import Baseline, baseline
from suanlian.rules.transfers.book import NEVER, Placed
from suanlian.rules.transfers.grid import Floats, Grid
from suanlian.rules.transfers.problem import Problem, Source
from suanlian.rules.transfers.ready import Job, Ready, prepare
from suanlian.rules.transfers.relaxed import MAX_COLUMNS, relax
from suanlian.rules.transfers.rounding import round_off
from suanlian.rules.transfers.windows import Window, windows

MAX_SCARCE: Final = 100
_SURE: Final = 1e-6
_WAITED: Final = timedelta(minutes=5)


class Way(StrEnum):
    """How a transfer goes."""

    HERE = "here"
    """A source lies at its site: no link is needed."""
    DIRECT = "direct"
    RELAY = "relay"
    NONE = "none"
    """No link that is open within the horizon leads there."""


class Reason(StrEnum):
    """Why it goes so."""

    HERE = "here"
    NO_WAY = "no_way"
    NO_ROOM = "no_room"
    """All that leads there is full until the horizon."""
    LATE = "late"
    """It cannot be there by its deadline; it is as soon as it can."""
    GOES_ON = "goes_on"
    """It keeps the way that it has taken."""
    QUICKER_RELAY = "quicker_relay"
    CHEAPER_RELAY = "cheaper_relay"
    CHEAPER_HOUR = "cheaper_hour"
    """It waits, for later it is cheaper or what is scarce is left to others."""
    CHEAPEST = "cheapest"
    ONLY_WAY = "only_way"


@dataclass(frozen=True, slots=True)
class Why:
    """CNY of each thing that counts, and what going directly at once beside all others would be.

    ``direct_ends``, ``direct_cny``: of the baseline; None where no wire leads there or it does not arrive in time.
    """

    reason: Reason
    egress_cny: float = 0.0
    link_cny: float = 0.0
    late_cny: float = 0.0
    direct_ends: datetime | None = None
    direct_cny: float | None = None
    routes: int = 0


@dataclass(frozen=True, slots=True)
class Planned:
    """One transfer. ``left``: bytes that are not there by the horizon; then ``ends`` is None."""

    id: str
    way: Way
    source: Source | None
    relay: str | None
    links: tuple[str, ...]
    windows: tuple[Window, ...]
    begins: datetime | None
    ends: datetime | None
    left: int
    egress_cny: float
    link_cny: float
    late_s: float
    why: Why

    @property
    def cost_cny(self) -> float:
        """What it costs: what leaves its storage, and the links."""
        return self.egress_cny + self.link_cny


class Scarce(NamedTuple):
    """An hour of a link that more want than pass: what a further GB in it would be worth, in CNY."""

    link: str
    start: datetime
    cny_per_gb: float


@dataclass(frozen=True, slots=True)
class Plan:
    """All of them, in the order in which they came. ``late``: ids that miss their deadline or the horizon."""

    moment: datetime
    transfers: tuple[Planned, ...]
    cost_cny: float
    late: tuple[str, ...]
    scarce: tuple[Scarce, ...]
    columns: int
    solved: bool
    baseline_cny: float
    baseline_met: tuple[str, ...]


def plan(problem: Problem, *, most_columns: int | None = MAX_COLUMNS) -> Plan:
    """Plan it. ``most_columns``: of the flow, about; with more of them several hours become one in it.

    Raises:
        TransfersError: it is too large, or cannot be meant.
    """
    ready = prepare(problem)
    grid, jobs = ready.grid, ready.jobs
    if not jobs:
        return Plan(problem.moment, (), 0.0, (), (), 0, solved=True, baseline_cny=0.0, baseline_met=())
    base = baseline(ready)
    flow = relax(ready, most=most_columns)
    rounded = round_off(ready, flow, base)
    spans = windows(ready, rounded.placed)
    told = tuple(
        _planned(ready, job, one, mine, base) for job, one, mine in zip(jobs, rounded.placed, spans, strict=True)
    )
    met = tuple(job.id for job in jobs if base.met[job.number] and job.due < NEVER)
    return Plan(
        moment=problem.moment,
        transfers=told,
        cost_cny=sum(one.cost_cny for one in told),
        late=tuple(one.id for one in told if one.late_s > 0 or one.left),
        scarce=_scarce(problem, grid, flow.prices),
        columns=flow.columns,
        solved=flow.solved,
        baseline_cny=float(base.money.sum()),
        baseline_met=met,
    )


def _planned(ready: Ready, job: Job, one: Placed | None, mine: tuple[Window, ...], base: Baseline) -> Planned:
    deadline, until = ready.problem.transfers[job.number].deadline, ready.grid.moment + ready.problem.horizon
    ends = None if one is None or one.left else max((span.end for span in mine), default=_at(ready, job.ready))
    late_s = 0.0 if deadline is None else max(((ends or until) - deadline).total_seconds(), 0.0)
    if one is None:
        why = Why(Reason.NO_ROOM if job.routes else Reason.NO_WAY, routes=len(job.routes))
        return Planned(job.id, Way.NONE, None, None, (), (), None, None, job.size, 0.0, 0.0, late_s, why)
    route = job.routes[one.route]
    told = Planned(
        id=job.id,
        way=(Way.HERE, Way.DIRECT, Way.RELAY)[len(route.legs)],
        source=route.source,
        relay=route.relay,
        links=tuple(ready.problem.links[leg.link].name for leg in route.legs),
        windows=mine,
        begins=min((span.start for span in mine), default=_at(ready, job.ready)),
        ends=ends,
        left=one.left,
        egress_cny=one.egress,
        link_cny=one.links,
        late_s=late_s,
        why=Why(Reason.HERE),
    )
    return replace(told, why=_why(ready, job, told, base, going=route.going))


def _at(ready: Ready, microseconds: int) -> datetime:
    return ready.grid.moment + timedelta(microseconds=microseconds)


def _why(ready: Ready, job: Job, told: Planned, base: Baseline, *, going: bool) -> Why:
    """The first reason that holds, in this order."""
    ends = int(base.ends[job.number])
    direct = None if ends == NEVER else _at(ready, ends)
    waits = told.begins is not None and told.begins > _at(ready, job.ready) + _WAITED
    reasons: Sequence[tuple[bool, Reason]] = (
        (told.way is Way.HERE, Reason.HERE),
        (told.left > 0, Reason.NO_ROOM),
        (told.late_s > 0, Reason.LATE),
        (going, Reason.GOES_ON),
        (len(job.routes) == 1 and not waits, Reason.ONLY_WAY),
        (told.way is Way.RELAY and (direct is None or (told.ends or direct) < direct), Reason.QUICKER_RELAY),
        (told.way is Way.RELAY, Reason.CHEAPER_RELAY),
        (waits, Reason.CHEAPER_HOUR),
    )
    return Why(
        reason=next((reason for holds, reason in reasons if holds), Reason.CHEAPEST),
        egress_cny=told.egress_cny,
        link_cny=told.link_cny,
        late_cny=ready.problem.weights.late * job.weight * told.late_s / 3600,
        direct_ends=direct,
        direct_cny=None if direct is None else float(base.money[job.number]),
        routes=len(job.routes),
    )


def _scarce(problem: Problem, grid: Grid, prices: Floats) -> tuple[Scarce, ...]:
    """The dearest hours of links, at most ``MAX_SCARCE``."""
    first = np.searchsorted(grid.hour, np.arange(len(grid.hour_starts)))
    by_hour = prices[: len(problem.links)][:, first]
    found = np.argwhere(by_hour > _SURE)
    worth = by_hour[tuple(found.T)]
    order = np.lexsort((found[:, 1], found[:, 0], -worth))[:MAX_SCARCE]
    return tuple(
        Scarce(
            problem.links[int(found[n, 0])].name,
            grid.moment + timedelta(microseconds=int(grid.hour_starts[found[n, 1]])),
            float(worth[n]),
        )
        for n in order
    )
