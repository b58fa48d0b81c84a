"""What a simulation found, as JSON has it. Times are seconds, work is accelerator-hours, money is CNY (an estimate).

Nothing here needs numpy, so that whoever has a report can read it.
"""

from typing import Literal

from suanlian.model.base import Utc, Value
from suanlian.model.market_policy import MarketPolicy


class Spread(Value):
    """How a time is spread over jobs (s); all zero where there are none."""

    mean: float
    p50: float
    p95: float
    p99: float
    most: float


class Part(Value):
    """The jobs submitted at one platform, wherever they ran, or all; ``utilisation`` is the platform's own, 0..1."""

    name: str
    jobs: int
    ended: int
    wait: Spread
    completion: Spread
    utilisation: float | None
    """None where a platform's own cannot be told: pooled work runs at no platform in particular."""
    work_in: float
    work_out: float
    """Work taken in from others, and given to others (accelerator-hours)."""


class Fairness(Value):
    """The jobs of one owner held against what they have alone; ``later``: later by more than moving costs and 60 s."""

    owner: str
    jobs: int
    later: int
    later_most: float
    later_mean: float
    """Of those that are later (s)."""
    mean_change: float
    """Of all of the owner's jobs (s); below zero: earlier."""


class Spent(Value):
    """Money, energy and carbon of the work done. Carbon is by the grid of the place, green power apart."""

    cost: float
    kwh: float
    carbon_kg: float
    carbon_after_green_kg: float
    green_share: float


class Run(Value):
    """One strategy over one demand in one world."""

    strategy: str
    total: Part
    platforms: tuple[Part, ...]
    moved: int
    moved_work: float
    work: float
    lost: float = 0.0
    """Work that a failure ended before its time, and that began again (accelerator-hours)."""
    spent: Spent | None = None
    fairness: tuple[Fairness, ...] = ()
    gap_closed: float | None = None
    """Of the mean wait between alone and pooled, 0..1; above 1 where it is shorter than strictly first come, pooled."""
    busy: tuple[tuple[float, ...], ...] = ()
    """Utilisation over time: a row a platform, a figure for each of ``Report.hours``."""
    notes: tuple[str, ...] = ()


class Site(Value):
    """One platform of the world; price is the mean over the day."""

    name: str
    owner: str
    nodes: int
    units: int
    price: float | None = None
    carbon: float | None = None
    green: float | None = None


class Point(Value):
    """One strategy at one place of a sweep."""

    value: float
    strategy: str
    wait: Spread
    later_share: float
    moved_share: float
    spent: Spent | None = None


class Sweep(Value):
    """The same figures over a range of one thing."""

    axis: str
    points: tuple[Point, ...]
    note: str = ""


class WhatIf(Value):
    """One question of a planner: the strategy's run in the changed world."""

    asked: str
    before: Run
    after: Run


class Later(Value):
    """One of one's own jobs that ends later federated than alone."""

    job: str
    account: str
    by: float


class Own(Value):
    """What is said of one's own queue. Amounts are accelerator-hours, or core-hours where CPUs count.

    ``alone`` is by the policy of the federation without anybody else, so that what is told apart is federation.
    """

    unit: str
    partner: str
    recorded: Spread
    alone: Spread
    federated: Spread
    jobs: int
    later: int
    latest: tuple[Later, ...]
    capacity: float
    idle: float
    sold: float
    bought: float
    price: float
    earned: float
    paid: float
    if_all_idle_sold: float
    needs: tuple[tuple[float, float], ...]
    """Share of jobs that may move -> mean wait federated (s): what it would take."""


class Report(Value):
    """All of it. ``synthetic`` names what was assumed and not recorded: keys of ``words.ASSUMED``."""

    made_at: Utc
    version: str
    source: str
    jobs: int
    work: float
    span_s: float
    portable: float
    move_s: float
    seed: int
    sites: tuple[Site, ...]
    hours: tuple[float, ...]
    runs: tuple[Run, ...]
    synthetic: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    what_ifs: tuple[WhatIf, ...] = ()
    own: Own | None = None
    policy: MarketPolicy | None = None
    """The hub's weights by which the strategy ``suanlian`` was simulated; None: the twin's own."""
    kind: Literal["suanlian-simulation-1"] = "suanlian-simulation-1"

    def run(self, strategy: str) -> Run | None:
        """The run of a strategy, if it was simulated."""
        return next((run for run in self.runs if run.strategy == strategy), None)
