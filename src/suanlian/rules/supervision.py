"""What does supervision read about a window of time? Plain rows in, one report out; every total is the sum of its rows.

Stated rules:

- *Capacity* of a share is its flavor's performance of one node times the number of nodes in the share: cards / cards
  of a node where the flavor has accelerators, else cores / cores of a node. The figures of a flavor that simulates
  something count as simulated, whatever grade they claim. Grades are columns and never added up.
- *Core-seconds* count only within the window. Offered: a share's cores times the time within the window for which it
  was published. Utilisation: used / offered, 0 where nothing was offered; above 1 only while a shrunk share drains.
- *Percentile* is the nearest rank: of n sorted waits the ceil(0.95 n)-th.
- *East to west*: the users' region is in none of the twelve western provinces of the National Bureau of Statistics, and
  the site is on the supply side (``Site.west``). A task whose users are nowhere in particular is in no flow.
- *Green* core-seconds are weighted with the contracted green share of their site, never with the grid's average.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from suanlian.model.ids import HubId
from suanlian.model.job import ENDED, JobState
from suanlian.model.performance import ComputeClass, Grade, Performance, Precision
from suanlian.model.place import is_simulated
from suanlian.model.platform import Flavor, Share, Site
from suanlian.model.quantity import BASE_PER_UNIT, ResourceKind, Resources
from suanlian.model.report import CapacityRow, FlowRow, PlatformRow, SupervisionReport, SupplyRow
from suanlian.model.supply import PHANTOM, SupplyOutcome

WESTERN_PROVINCES: Final = frozenset({"15", "45", "50", "51", "52", "53", "54", "61", "62", "63", "64", "65"})
"""First two digits of GB/T 2260: Inner Mongolia, Guangxi, Chongqing, Sichuan, Guizhou, Yunnan, Tibet, Shaanxi, Gansu,
Qinghai, Ningxia, Xinjiang."""

STEP: Final = Decimal("0.000001")
"""Ratios and weighted figures are rounded half-even to this."""

_FAILED: Final = frozenset({JobState.EXECUTOR_ERROR, JobState.SYSTEM_ERROR})
_P95: Final = 95
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Window:
    """Whose report, and over which window ``[since, until)``."""

    hub_id: HubId
    hub: str
    prefix: str
    since: datetime
    until: datetime
    made_at: datetime


@dataclass(frozen=True, slots=True)
class PlatformFacts:
    """A platform and the region under which it is counted; each of its sites has its own for flows."""

    platform: str
    title: str
    title_zh: str
    region: str
    west: bool


@dataclass(frozen=True, slots=True)
class ShareFacts:
    """One version of a share, and for how long it was published; ``until`` None: it still is."""

    platform: str
    site: Site
    flavor: Flavor
    capacity: Resources
    since: datetime
    until: datetime | None = None
    verified: frozenset[Precision] = frozenset()
    """The precisions at which the hub verified what the flavor claims."""


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One attempt. ``cost`` in CNY; ``last``: it is the task's latest attempt; ``waited_s`` from queued to started."""

    platform: str
    site: Site
    job: str
    state: JobState
    millicores: int
    cost: Decimal
    simulated: bool
    user_region: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    waited_s: Decimal | None = None
    last: bool = True


def supervision_report(
    window: Window,
    platforms: Sequence[PlatformFacts],
    shares: Sequence[ShareFacts],
    runs: Sequence[TaskRun],
    jobs_by_state: Mapping[JobState, int],
) -> SupervisionReport:
    """The report of the window. Rows of a platform that is not among ``platforms`` raise KeyError: none is left out."""
    by_platform = {facts.platform: facts for facts in sorted(platforms, key=lambda facts: facts.platform)}
    unknown = ({share.platform for share in shares} | {run.platform for run in runs}) - by_platform.keys()
    if unknown:
        raise KeyError(f"rows of platforms that are not listed: {sorted(unknown)}")
    rows = tuple(_platform_row(window, facts, shares, runs) for facts in by_platform.values())
    east_to_west = (run for run in runs if is_east_to_west(run))
    return SupervisionReport(
        hub_id=window.hub_id,
        hub=window.hub,
        prefix=window.prefix,
        since=window.since,
        until=window.until,
        made_at=window.made_at,
        capacity=capacity_rows([share for share in shares if share.until is None or share.until >= window.until]),
        platforms=rows,
        flows=flow_rows(window, runs),
        jobs=sum(jobs_by_state.values()),
        jobs_by_state={state.value: jobs_by_state[state] for state in JobState if jobs_by_state.get(state)},
        core_s=_sum(row.used_core_s for row in rows),
        core_s_east_to_west=_sum(core_s(window, run) for run in east_to_west),
        core_s_green=_sum(green_core_s(window, run) for run in runs),
        cost=_sum(row.cost for row in rows),
        cost_simulated=_sum(row.cost_simulated for row in rows),
    )


def supply_rows(
    shares: Sequence[tuple[str, str, Share]], shown: Mapping[tuple[str, str], int], checks: Sequence[tuple[str, str]]
) -> tuple[SupplyRow, ...]:
    """A row a platform. ``shares``: platform, id, share; ``shown``: (id, grade) -> millicores; ``checks``: outcomes."""
    found = []
    for platform in sorted({name for name, _id, _share in shares}):
        mine = [(share_id, share) for name, share_id, share in shares if name == platform]
        ended = [outcome for name, outcome in checks if name == platform]
        seen = {
            grade: _sum(_cores(shown.get((share_id, grade.value), 0)) for share_id, _share in mine)
            for grade in (Grade.SEEN_IN_JOBS, Grade.VERIFIED)
        }
        found.append(
            SupplyRow(
                platform=platform,
                claimed=_sum(_cores(share.capacity.cpu) for _id, share in mine),
                seen_in_jobs=seen[Grade.SEEN_IN_JOBS],
                shown_free=seen[Grade.VERIFIED],
                checks=len(ended),
                held=ended.count(SupplyOutcome.HELD),
                phantom=sum(outcome in PHANTOM for outcome in ended),
                excused=ended.count(SupplyOutcome.EXCUSED),
            )
        )
    return tuple(found)


def capacity_rows(shares: Iterable[ShareFacts]) -> tuple[CapacityRow, ...]:
    """Tera-operations per second by class and precision, one column a grade; classes and precisions in their order."""
    table: defaultdict[tuple[ComputeClass, Precision], defaultdict[Grade, Decimal]]
    table = defaultdict(lambda: defaultdict(Decimal))
    for share in shares:
        flavor = share.flavor
        for figure in flavor.performance:
            grade = grade_of(figure, flavor, verified=figure.precision in share.verified)
            table[flavor.compute_class, figure.precision][grade] += figure.tera_per_s * nodes(share)
    return tuple(
        CapacityRow(
            compute_class=kind, precision=precision, by_grade={g: _rounded(grades[g]) for g in Grade if g in grades}
        )
        for kind in ComputeClass
        for precision in Precision
        if (grades := table.get((kind, precision)))
    )


def grade_of(figure: Performance, flavor: Flavor, *, verified: bool) -> Grade:
    """How a published figure is known: what its owner calls verified is a claim until the hub says so."""
    if is_simulated(flavor) or figure.grade is Grade.SIMULATED:
        return Grade.SIMULATED
    if verified:
        return Grade.VERIFIED
    return Grade.SELF_MEASURED if figure.grade is Grade.SELF_MEASURED else Grade.CLAIMED


def nodes(share: ShareFacts) -> Decimal:
    """How many nodes of its flavor the share amounts to; 0 where a node has neither cards nor cores."""
    kind = ResourceKind.ACCELERATOR if share.flavor.node.accelerator else ResourceKind.CPU
    of_node = share.flavor.node.base()[kind]
    return Decimal(share.capacity.base()[kind]) / of_node if of_node else Decimal(0)


def _platform_row(
    window: Window, facts: PlatformFacts, shares: Sequence[ShareFacts], runs: Sequence[TaskRun]
) -> PlatformRow:
    shares = [share for share in shares if share.platform == facts.platform]
    runs = [run for run in runs if run.platform == facts.platform]
    present = [share for share in shares if share.until is None or share.until >= window.until]
    ended = [run for run in runs if run.last and run.state in ENDED and _is_within(window, run.ended_at)]
    waits = [run.waited_s for run in runs if run.waited_s is not None]
    used = _sum(core_s(window, run) for run in runs)
    offered = _sum(offered_core_s(window, share) for share in shares)
    return PlatformRow(
        platform=facts.platform,
        title=facts.title,
        title_zh=facts.title_zh,
        region=facts.region,
        west=facts.west,
        jobs=len({run.job for run in runs}),
        tasks_ended=len(ended),
        tasks_failed=sum(run.state in _FAILED for run in ended),
        cores=_sum(_cores(share.capacity.cpu) for share in present),
        used_core_s=used,
        offered_core_s=offered,
        utilisation=_rounded(used / offered) if offered else Decimal(0),
        green_share=_green_share(present),
        waited_s_mean=_rounded(_sum(waits) / len(waits)) if waits else None,
        waited_s_p95=percentile(waits, _P95),
        cost=_sum(run.cost for run in runs if not run.simulated),
        cost_simulated=_sum(run.cost for run in runs if run.simulated),
    )


def flow_rows(window: Window, runs: Iterable[TaskRun]) -> tuple[FlowRow, ...]:
    """Core-seconds by the region of the users and the region of the site, of runs whose users are in a region."""
    flows: defaultdict[tuple[str, str], list[TaskRun]] = defaultdict(list)
    for run in runs:
        if run.user_region is not None:
            flows[run.user_region, run.site.region].append(run)
    return tuple(
        FlowRow(
            user_region=users,
            site_region=site,
            tasks=sum(run.last for run in flow),
            core_s=_sum(core_s(window, run) for run in flow),
        )
        for (users, site), flow in sorted(flows.items())
    )


def is_east_to_west(run: TaskRun) -> bool:
    """Whether the run's users are outside the western provinces and its site is on the supply side."""
    return run.user_region is not None and run.user_region[:2] not in WESTERN_PROVINCES and run.site.west


def core_s(window: Window, run: TaskRun) -> Decimal:
    """Core-seconds of the run within the window, exact; a run that goes on counts up to the window's end."""
    if run.started_at is None:
        return Decimal(0)
    return _cores(run.millicores) * _overlap_s(window, run.started_at, run.ended_at)


def green_core_s(window: Window, run: TaskRun) -> Decimal:
    """Core-seconds of the run, weighted with its site's contracted green share."""
    return _rounded(core_s(window, run) * run.site.green_share)


def offered_core_s(window: Window, share: ShareFacts) -> Decimal:
    """Core-seconds that the share offered within the window, exact."""
    return _cores(share.capacity.cpu) * _overlap_s(window, share.since, share.until)


def percentile(values: Sequence[Decimal], percent: int) -> Decimal | None:
    """The nearest-rank percentile: the smallest value that at least ``percent`` % do not exceed; None of nothing."""
    ordered = sorted(values)
    return ordered[max(0, -(-percent * len(ordered) // 100) - 1)] if ordered else None


def _green_share(shares: Sequence[ShareFacts]) -> Decimal:
    """The sites' contracted green shares, weighted with cores."""
    cores = sum(share.capacity.cpu for share in shares)
    weighted = _sum(share.capacity.cpu * share.site.green_share for share in shares)
    return _rounded(weighted / cores) if cores else Decimal(0)


def _overlap_s(window: Window, start: datetime, end: datetime | None) -> Decimal:
    last = window.until if end is None else min(end, window.until)
    return Decimal(max(0, (last - max(start, window.since)) // _MICROSECOND)).scaleb(-6)


def _is_within(window: Window, moment: datetime | None) -> bool:
    return moment is not None and window.since <= moment < window.until


def _cores(millicores: int) -> Decimal:
    return Decimal(millicores) / BASE_PER_UNIT[ResourceKind.CPU]


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, start=Decimal(0))


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(STEP, ROUND_HALF_EVEN)
