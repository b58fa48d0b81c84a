"""Does the planner of transfers hold what sending all at once holds, cost less, and take no longer than a few LPs?

(a) 200 transfers over the 12 places of `data/network.py`, followed on the planner's model by an executor of its own;
sizes, prices, deadlines and which direct links are degraded are synthetic. (b) 1,000 transfers, 20 sites, 48 hours,
beside the whole linear relaxation. (c) a few real transfers over shaped links, where this machine allows.
`python -m bench.transfers [held] [time] [real] [--seeds N] [--runs N]`
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import scipy

from bench.shaped import real
from suanlian.data.network import estimated, places
from suanlian.rules.transfers.plan import Plan, Planned, Reason, Way, plan
from suanlian.rules.transfers.problem import Link, Problem, Source, Transfer
from suanlian.rules.transfers.ready import Job, Ready, prepare
from suanlian.rules.transfers.relaxed import relax
from suanlian.rules.transfers.routes import Leg, Route, know

NOW: Final = datetime(2026, 5, 4, 1, 20, tzinfo=UTC)
HORIZON: Final = timedelta(hours=48)
NIGHT: Final = tuple(0.5 if hour < 8 else 1.0 for hour in range(24))
GB: Final = 10**9


def over_places(seed: int, count: int = 200) -> Problem:
    """The 12 places: a third of the links carries a twentieth of its promise; the price rises with the distance."""
    rng = np.random.default_rng(seed)
    names = {code: f"{place.replace('_', '-')}/main" for code, place in places().items()}
    links = []
    for here, start in names.items():
        for there, end in names.items():
            if here == there:
                continue
            far = estimated(here.ljust(6, "0"), there.ljust(6, "0"))
            km = 0 if far is None else far.km
            promised = float(rng.choice([300.0, 1000.0, 2000.0])) * (0.5 if km > 1000 else 1.0)
            really = promised * (0.05 if rng.random() < 1 / 3 else 1.0)
            price = round(0.02 + 0.0001 * km, 4)
            links.append(Link(f"{here}-{there}", start, end, really, price, factors=NIGHT))
    return _problem(rng, list(names.values()), links, count, 120.0)


def many(seed: int, count: int = 1000, sites: int = 20) -> Problem:
    """So many sites with links of three sizes between all of them, one in five degraded."""
    rng = np.random.default_rng(seed)
    names = [f"platform/{n:02d}" for n in range(sites)]
    links = [
        Link(
            f"{here}>{there}",
            here,
            there,
            float(rng.choice([100.0, 250.0, 1000.0])) * (0.05 if rng.random() < 0.2 else 1.0),
            round(float(rng.uniform(0.05, 0.5)), 4),
            factors=NIGHT,
        )
        for here in names
        for there in names
        if here != there
    ]
    return _problem(rng, names, links, count, 100.0)


def _problem(rng: np.random.Generator, names: Sequence[str], links: Sequence[Link], count: int, mean: float) -> Problem:
    transfers = []
    for n in range(count):
        target, *sources = (names[m] for m in rng.choice(len(names), 1 + int(rng.integers(1, 3)), replace=False))
        due = NOW + timedelta(hours=float(rng.uniform(2, 47))) if rng.random() < 0.8 else None
        size = int(GB * mean * rng.lognormal(-0.7, 1.2))
        prices = [float(rng.choice([0.0, 0.2])) for _ in sources]
        held = tuple(Source(site, price) for site, price in zip(sources, prices, strict=True))
        transfers.append(Transfer(f"transfer-{n}", size, target, held, account=f"account-{n % 7}", deadline=due))
    return Problem(tuple(transfers), tuple(links), NOW, relays=dict.fromkeys(names, 0.05), horizon=HORIZON)


class Outcome(NamedTuple):
    """When each transfer is there, hours from now; what those cost that are there."""

    ends: Mapping[str, float]
    cost: Mapping[str, float]


def executed(problem: Problem, made: Plan) -> Outcome:
    """Follow the windows moment by moment; a link that is asked for more than passes gives all their part of it."""
    rate_of = {link.name: link.mbps for link in problem.links}
    price_of = {link.name: link for link in problem.links}
    marks = {at for one in made.transfers for span in one.windows for at in (span.start, span.end)}
    edges = sorted(marks | {NOW + timedelta(hours=hour) for hour, _end in _hours()})
    place = {at: n for n, at in enumerate(edges)}
    going: list[list[tuple[int, int, str, float]]] = [[] for _ in edges]
    for number, one in enumerate(made.transfers):
        for span in one.windows:
            for n in range(place[span.start], place[span.end]):
                going[n].append((number, span.leg, span.link, span.mbps))
    there = [[0.0] * len(one.links) for one in made.transfers]
    spent = [0.0] * len(made.transfers)
    ends: dict[str, float] = {}
    for n, (start, end) in enumerate(pairwise(edges)):
        asked: dict[str, float] = {}
        for _number, _leg, link, mbps in going[n]:
            asked[link] = asked.get(link, 0.0) + mbps
        for number, leg, link, mbps in going[n]:
            size = problem.transfers[number].bytes
            part = min(1.0, rate_of[link] / asked[link])
            if leg and there[number][leg - 1] < size - 1:
                continue  # it is not whole at the relay: nothing goes on
            moved = mbps * part * 1e6 / 8 * (end - start).total_seconds()
            there[number][leg] += moved
            spent[number] += moved / GB * price_of[link].cny_per_gb * NIGHT[(start.hour + 8) % 24]
            if leg == len(there[number]) - 1 and there[number][leg] >= size - 1:
                ends.setdefault(made.transfers[number].id, (end - NOW).total_seconds() / 3600)
    money = {one.id: spent[n] + one.egress_cny for n, one in enumerate(made.transfers) if one.id in ends}
    return Outcome(ends, money)


def at_once(problem: Problem) -> Outcome:
    """Each begins now over its quickest direct link and shares it in equal parts, hour by hour of prices."""
    by_pair: dict[tuple[str, str], Link] = {}
    for link in problem.links:
        pair = link.start, link.end
        by_pair[pair] = max(link, by_pair.get(pair, link), key=lambda one: one.mbps)
    shared: dict[str, list[tuple[Transfer, Source, Link]]] = {}
    for transfer in problem.transfers:
        able = [(source, by_pair[source.site, transfer.target]) for source in transfer.sources]
        source, link = max(able, key=lambda two: two[1].mbps)
        shared.setdefault(link.name, []).append((transfer, source, link))
    ends: dict[str, float] = {}
    cost: dict[str, float] = {}
    for members in shared.values():
        left = {transfer.id: float(transfer.bytes) for transfer, _source, _link in members}
        price = members[0][2].cny_per_gb
        cost |= {one.id: one.bytes / GB * source.egress_cny_per_gb for one, source, _link in members}
        for begin, end in _hours():
            at, rate = begin, members[0][2].mbps * 1e6 / 8 * 3600
            while (runs := [name for name, some in left.items() if some > 0]) and at < end - 1e-12:
                step = min(end - at, min(left[name] for name in runs) * len(runs) / rate)
                for name in runs:
                    moved = step * rate / len(runs)
                    left[name] = 0.0 if left[name] - moved < 1 else left[name] - moved
                    cost[name] += moved / GB * price * NIGHT[int((9 + 1 / 3 + begin + 1e-9) % 24)]
                    if not left[name]:
                        ends[name] = at + step
                at += step
    return Outcome(ends, {name: cost[name] for name in ends})


def _hours() -> Iterator[tuple[float, float]]:
    """From now, 9:20 in China, to the full hour, and on hour by hour."""
    edges = [0.0, *(2 / 3 + n for n in range(48)), 48.0]
    return ((a, b) for a, b in pairwise(edges) if b > a)


def held(seeds: int) -> None:
    """(a): what is held and what it costs."""
    print(
        "| seed | met by all at once | of these missed by the plan | met by the plan | later than its word |"
        " cost of all at once | of the plan, same transfers | relays | sooner than direct, alone |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    ratios = []
    for seed in range(seeds):
        problem = over_places(seed)
        made, plain = plan(problem), at_once(problem)
        found = executed(problem, made)
        due = {one.id: (one.deadline - NOW).total_seconds() / 3600 for one in problem.transfers if one.deadline}
        before = {name for name, hour in due.items() if plain.ends.get(name, np.inf) <= hour + 1e-6}
        after = {name for name, hour in due.items() if found.ends.get(name, np.inf) <= hour + 1e-6}
        both = found.cost.keys() & plain.cost.keys()
        was, now = sum(plain.cost[name] for name in both), sum(found.cost[name] for name in both)
        ratios.append(now / was)
        broken = [one for one in made.transfers if one.ends and _apart(one, found) > 1]
        relays = [one for one in made.transfers if one.way is Way.RELAY]
        sooner = [one for one in relays if _sooner(problem, one) > 0]
        print(
            f"| {seed} | {len(before)} | {len(before - after)} | {len(after)} of {len(due)} | {len(broken)} |"
            f" {was:,.0f} CNY | {now:,.0f} CNY ({now / was:.2f}) | {len(relays)} | {len(sooner)} |"
        )
    print(f"\nmedian cost of the plan: {statistics.median(ratios):.2f} of sending all at once")


def _apart(one: Planned, found: Outcome) -> float:
    """Seconds by which it really ends after the plan's word."""
    word = (one.ends - NOW).total_seconds() if one.ends else np.inf
    return found.ends.get(one.id, np.inf) * 3600 - word


def _sooner(problem: Problem, one: Planned) -> float:
    """By how many seconds a relay beats the quickest direct link, with nothing else on any link."""
    asked = next(transfer for transfer in problem.transfers if transfer.id == one.id)
    legs = [link for link in problem.links if link.name in one.links]
    sites = {source.site for source in asked.sources}
    direct = [link for link in problem.links if link.end == asked.target and link.start in sites]
    bits = asked.bytes * 8 / 1e6
    return min(bits / link.mbps for link in direct) - sum(bits / leg.mbps for leg in legs)


def with_every_relay(ready: Ready) -> Ready:
    """The same with a route over every third site by its quickest links, whether it is any better or not."""
    known = know(ready.problem, ready.room)

    def routes(job: Job) -> tuple[Route, ...]:
        direct = [one for one in job.routes if len(one.legs) == 1]
        target = known.sites[ready.problem.transfers[job.number].target]
        found = []
        for source in ready.problem.transfers[job.number].sources:
            begin = known.sites[source.site]
            for site, number in known.sites.items():
                first, second = int(known.quick[begin, number]), int(known.quick[number, target])
                if first >= 0 and second >= 0:
                    legs = (
                        Leg(first, (first,), source.egress_cny_per_gb),
                        Leg(second, (second,), float(known.relays[number])),
                    )
                    found.append(Route(source, site, legs))
        return (*direct, *found)

    return ready._replace(jobs=tuple(job._replace(routes=routes(job)) for job in ready.jobs))


def times(seeds: int, runs: int) -> None:
    """(b): how long it takes."""
    print(
        "| seed | columns | LP, routes of the plan (s) | plan (s) | x | columns, every relay | LP, every relay (s) |"
        " x | late | lost |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for seed in range(seeds):
        problem = many(seed)
        ready = prepare(problem)
        plans, few, every = [], [], []
        for _ in range(runs):
            began = time.perf_counter()
            small = relax(prepare(problem), most=None)
            few.append(time.perf_counter() - began)
            began = time.perf_counter()
            made = plan(problem)
            plans.append(time.perf_counter() - began)
        full = with_every_relay(ready)
        began = time.perf_counter()
        large = relax(full, most=None)
        every.append(time.perf_counter() - began)
        took, less, more = (statistics.median(one) for one in (plans, few, every))
        lost = len(set(made.late) & set(made.baseline_met))
        print(
            f"| {seed} | {small.columns:,} | {less:.2f} | {took:.2f} | {took / less:.2f} | {large.columns:,} |"
            f" {more:.1f} | {took / more:.2f} | {len(made.late)} | {lost} |",
            flush=True,
        )
    largest = replace(many(0, count=5000), relays=dict.fromkeys((f"platform/{n:02d}" for n in range(20)), 0.05))
    began = time.perf_counter()
    made = plan(largest)
    print(
        f"\n5,000 transfers, 20 sites, 48 hours: {time.perf_counter() - began:.0f} s, {made.columns:,} columns, ",
        end="",
    )
    print(f"{len(made.late)} late, {len(set(made.late) & set(made.baseline_met))} lost")


def relayed() -> Planned:
    """The plan that `real` puts to the test: 32 GB at 20 Mbit/s directly, or over a third site at 200 Mbit/s."""
    links = (
        Link("direct", "a/a", "b/b", 20.0),
        Link("first", "a/a", "c/c", 200.0),
        Link("second", "c/c", "b/b", 200.0),
    )
    transfer = Transfer("one", 32 * GB, "b/b", (Source("a/a"),), deadline=NOW + timedelta(hours=3))
    made = plan(Problem((transfer,), links, NOW, relays={"c/c": 0.0})).transfers[0]
    if made.way is not Way.RELAY or made.why.reason is not Reason.QUICKER_RELAY:
        raise AssertionError(f"the plan goes {made.way}")
    return made


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.transfers", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="table", help="held, time, real")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=3)
    said = parser.parse_args()
    about = (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, scipy {scipy.__version__}"
    )
    print(f"{about}, load {os.getloadavg()[0]:.1f}")
    for name in said.tables or ("held", "time", "real"):
        print(f"\n## {name}\n", flush=True)
        if name == "held":
            held(said.seeds)
        elif name == "time":
            times(said.seeds, said.runs)
        elif name == "real":
            real(relayed())
        else:
            parser.error(f"no such table: {name}")


if __name__ == "__main__":
    main()
