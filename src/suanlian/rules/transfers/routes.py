"""By which routes may a transfer go? From each source directly, and over such third sites as are quicker or cheaper.

A route over a third site brings the whole copy there first and then on: it takes the time of both legs.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple, Protocol

import numpy as np

from suanlian.rules.transfers.grid import Floats, Grid, Ints, Room
from suanlian.rules.transfers.problem import Problem, Source, Transfer

MAX_DIRECT: Final = 4
MAX_OVER: Final = 3
"""So many routes over a third site at most."""
_NEVER: Final = np.inf
_TYPICAL_GB: Final = 100.0
"""What a courier's tour is set against, where its time for a GB is asked."""


_Over = tuple[str | None, float]


class Leg(NamedTuple):
    """One link of a route. ``rows`` of the room that it may use, what is reserved first. ``egress``: CNY for a GB."""

    link: int
    rows: tuple[int, ...]
    egress: float


@dataclass(frozen=True, slots=True)
class Route:
    """From a source over no leg (it is there already), one, or two. ``going``: it has begun this way."""

    source: Source
    relay: str | None
    legs: tuple[Leg, ...]
    going: bool = False


class Known(NamedTuple):
    """The quickest and the cheapest link of each pair of sites: [N, N] rows of links, -1 where there is none.

    ``seconds``: for a GB over the quickest; ``money``: CNY for a GB over the cheapest at its cheapest hour.
    """

    links: dict[str, int]
    sites: dict[str, int]
    names: list[str]
    by_pair: dict[tuple[int, int], list[int]]
    quick: Ints
    cheap: Ints
    seconds: Floats
    money: Floats
    relays: Floats


def know(problem: Problem, room: Room) -> Known:
    """What the room says of each pair of sites."""
    names = sorted({site for link in problem.links for site in (link.start, link.end)})
    sites = {name: n for n, name in enumerate(names)}
    shape = (len(names), len(names))
    quick, cheap = np.full(shape, -1, np.int64), np.full(shape, -1, np.int64)
    seconds, money = np.full(shape, _NEVER), np.full(shape, _NEVER)
    by_pair: dict[tuple[int, int], list[int]] = {}
    carried = room.free.copy()
    for (n, _account), row in room.lanes.items():
        carried[n] += room.free[row]
    for n, link in enumerate(problem.links):
        some = carried[n] > 0
        if not some.any():
            continue
        pair = sites[link.start], sites[link.end]
        by_pair.setdefault(pair, []).append(n)
        took = _seconds(link.courier.hours * 3600 if link.courier else 0.0, link.mbps)
        paid = float(room.price[n, some].min())
        if took < seconds[pair]:
            seconds[pair], quick[pair] = took, n
        if paid < money[pair]:
            money[pair], cheap[pair] = paid, n
    relays = np.array([problem.relays.get(name, _NEVER) for name in names])
    links = {link.name: n for n, link in enumerate(problem.links)}
    return Known(links, sites, names, by_pair, quick, cheap, seconds, money, relays)


def _seconds(courier: float, mbps: float) -> float:
    return courier / _TYPICAL_GB if courier else 8000.0 / mbps


def routes_of(problem: Problem, known: Known, room: Room, transfer: Transfer) -> list[Route]:
    """The routes of a transfer that are worth weighing, direct ones first. None where no link leads there."""
    here = [source for source in transfer.sources if source.site == transfer.target]
    if here:
        return [Route(here[0], None, ())]
    target = known.sites.get(transfer.target, -1)
    found: list[Route] = []
    for source in transfer.sources:
        begin = known.sites.get(source.site, -1)
        if begin < 0 or target < 0:
            continue
        found += (_route(room, transfer.account, source, (n,)) for n in known.by_pair.get((begin, target), ()))
    direct = sorted(found, key=lambda one: _worth(problem, room, one))[:MAX_DIRECT]
    quickest = min((float(known.seconds[known.sites[one.source.site], target]) for one in found), default=_NEVER)
    cheapest = min((_money(room, one) for one in found), default=_NEVER)
    over = [] if target < 0 else _over(room, known, transfer, target, (quickest, cheapest))
    return _with_going(problem, known, room, transfer, [*direct, *over])


def _over(room: Room, known: Known, transfer: Transfer, target: int, best: tuple[float, float]) -> list[Route]:
    """Those over a third site that are quicker, or cheaper, than every direct one."""
    quick: list[tuple[float, int, Source]] = []
    cheap: list[tuple[float, int, Source]] = []
    for source in transfer.sources:
        begin = known.sites.get(source.site, -1)
        if begin < 0:
            continue
        seconds = known.seconds[begin] + known.seconds[:, target] + np.where(np.isfinite(known.relays), 0.0, _NEVER)
        money = known.money[begin] + known.money[:, target] + known.relays + source.egress_cny_per_gb
        seconds[[begin, target]] = money[[begin, target]] = _NEVER
        for kept, score, least in ((quick, seconds, best[0]), (cheap, money, best[1])):
            order = np.argsort(score, kind="stable")[:MAX_OVER]
            kept.extend((float(score[n]), int(n), source) for n in order if score[n] < least)
    by_key: dict[tuple[str, str, tuple[int, ...]], Route] = {}
    for best_ones, which in ((quick, known.quick), (cheap, known.cheap)):
        for _score, n, source in sorted(best_ones, key=lambda one: one[:2])[:MAX_OVER]:
            links = int(which[known.sites[source.site], n]), int(which[n, target])
            one = _route(room, transfer.account, source, links, (known.names[n], float(known.relays[n])))
            by_key.setdefault((source.site, known.names[n], links), one)
    return list(by_key.values())[: 2 * MAX_OVER]


def _route(room: Room, account: str, source: Source, links: tuple[int, ...], over: _Over = (None, 0.0)) -> Route:
    """``over``: the third site, and what a GB costs that leaves there."""
    relay, egress = over
    legs = (Leg(n, _rows(room, n, account), (source.egress_cny_per_gb, egress)[at]) for at, n in enumerate(links))
    return Route(source, relay, tuple(legs))


def _rows(room: Room, link: int, account: str) -> tuple[int, ...]:
    lane = room.lanes.get((link, account))
    return (link,) if lane is None else (lane, link)


def _money(room: Room, route: Route) -> float:
    """CNY for a GB at the cheapest hours."""
    return sum(leg.egress + float(room.price[leg.link].min()) for leg in route.legs)


def _worth(problem: Problem, room: Room, route: Route) -> tuple[float, int]:
    """Cheap and quick ones first: money, and time at what waiting costs at the most."""
    link = problem.links[route.legs[0].link]
    took = _seconds(link.courier.hours * 3600 if link.courier else 0.0, link.mbps)
    return _money(room, route) + took * 1e-3, route.legs[0].link


def _with_going(problem: Problem, known: Known, room: Room, transfer: Transfer, found: list[Route]) -> list[Route]:
    """The way that it has taken comes first, whether it would be among the best or not."""
    going, rows = transfer.going, known.links
    if going is None or not going.links or any(name not in rows for name in going.links):
        return found
    source = next((one for one in transfer.sources if one.site == going.source), None)
    links = tuple(rows[name] for name in going.links)
    chain = [problem.links[n] for n in links]
    whole = chain[0].start == going.source and chain[-1].end == transfer.target and len(chain) <= 2  # noqa: PLR2004 - legs
    if source is None or not whole or any(a.end != b.start for a, b in pairwise(chain)):
        return found
    over: _Over = (None, 0.0)
    if len(chain) > 1:
        if chain[0].end not in problem.relays:
            return found
        over = chain[0].end, problem.relays[chain[0].end]
    taken = [one for one in found if (one.source, tuple(leg.link for leg in one.legs)) == (source, links)]
    first = taken[0] if taken else _route(room, transfer.account, source, links, over)
    rest = [one for one in found if one is not first]
    return [Route(first.source, first.relay, first.legs, going=True), *rest]


class _Sized(Protocol):
    @property
    def size(self) -> int: ...
    @property
    def ready(self) -> int: ...


def least_hour(route: Route, room: Room, grid: Grid, job: _Sized) -> int:
    """The hour before which nothing can have arrived by it at the earliest: the first leg has to be there whole."""
    if len(route.legs) <= 1:
        return int(np.searchsorted(grid.hour_ends, job.ready, side="right"))
    leg = route.legs[0]
    able = np.where(grid.starts >= job.ready, room.free[list(leg.rows)].sum(axis=0), 0)
    full = int(np.searchsorted(np.cumsum(able), job.size))
    if full >= len(grid):
        return len(grid.hour_starts)
    return int(np.searchsorted(grid.hour_ends, int(room.arrive[leg.link, full]), side="right"))
