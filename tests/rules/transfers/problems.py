"""Small problems of transfers, as hypothesis draws them, and what holds of every plan."""

from collections import defaultdict
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

from hypothesis import strategies as st

from suanlian.model.link import Hours
from suanlian.rules.transfers.plan import Plan, Planned, Way
from suanlian.rules.transfers.problem import Courier, Going, Link, Problem, Reserved, Source, Transfer, Weights

NOW = datetime(2026, 5, 4, 1, 20, 7, tzinfo=UTC)
SITES = ("a/one", "b/two", "c/three", "d/four")
ACCOUNTS = ("ann", "bob")
HORIZON = timedelta(hours=12)
GB = 10**9


def hours_after(hours: float) -> datetime:
    """A moment so many hours from now."""
    return NOW + timedelta(hours=hours)


_clock = st.builds(time, st.integers(0, 23), st.sampled_from([0, 30]))
_hours = st.tuples(_clock, _clock).filter(lambda two: two[0] != two[1]).map(lambda two: Hours(start=two[0], end=two[1]))
_moments = st.floats(0.01, 14).map(hours_after)


@st.composite
def _links(draw: st.DrawFn) -> tuple[Link, ...]:
    pairs = [(a, b) for a in SITES for b in SITES if a != b]
    chosen = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=10))
    night = tuple(0.5 if hour < 8 else 1.0 for hour in range(24))
    return tuple(
        Link(
            name=f"link-{n}",
            start=start,
            end=end,
            mbps=draw(st.sampled_from([0.0, 0.001, 10.0, 100.0, 333.3])),
            cny_per_gb=draw(st.sampled_from([0.0, 0.1, 0.4])),
            hours=draw(st.lists(_hours, max_size=2).map(tuple)),
            factors=draw(st.sampled_from([(), night])),
            courier=draw(st.sampled_from([None, None, None, Courier(3.0, 200 * GB)])),
        )
        for n, (start, end) in enumerate(chosen)
    )


@st.composite
def _transfers(draw: st.DrawFn, links: tuple[Link, ...]) -> tuple[Transfer, ...]:
    made = []
    for n in range(draw(st.integers(0, 7))):
        target = draw(st.sampled_from(SITES))
        sources = draw(st.lists(st.sampled_from(SITES), min_size=1, max_size=2, unique=True))
        going = draw(
            st.none()
            | st.builds(Going, st.sampled_from(SITES), st.tuples(st.sampled_from([one.name for one in links])))
        )
        made.append(
            Transfer(
                id=f"transfer-{n}",
                bytes=draw(st.sampled_from([0, 1, 7, 10**6]) | st.integers(1, 600 * GB)),
                target=target,
                sources=tuple(Source(site, draw(st.sampled_from([0.0, 0.3]))) for site in sources),
                account=draw(st.sampled_from(ACCOUNTS)),
                deadline=draw(st.none() | _moments),
                weight=draw(st.sampled_from([0.1, 1.0, 20.0])),
                begins=draw(st.none() | st.floats(-1, 5).map(hours_after)),
                going=going,
            )
        )
    return tuple(made)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """A few sites, links of all kinds, transfers of all sizes, deadlines before, within and after the horizon."""
    links = draw(_links())
    reserved = draw(
        st.lists(
            st.builds(
                lambda link, account, start, long, mbps: Reserved(
                    link, account, hours_after(start), hours_after(start + long), mbps
                ),
                st.sampled_from([one.name for one in links]),
                st.sampled_from(ACCOUNTS),
                st.floats(-1, 8),
                st.floats(0.1, 6),
                st.sampled_from([5.0, 60.0]),
            ),
            max_size=3,
        )
    )
    relays = draw(st.dictionaries(st.sampled_from(SITES), st.sampled_from([0.0, 0.05])))
    weights = draw(st.sampled_from([Weights(), Weights(other_hours=0.05, preferred_hours=frozenset({1, 2, 3}))]))
    return Problem(draw(_transfers(links)), links, NOW, tuple(reserved), relays, weights, HORIZON)


def breaches(problem: Problem, made: Plan) -> list[str]:
    """What a plan does that it must not, worked out from the problem alone, moment by moment."""
    found = _couriers(problem, made)
    for asked, one in zip(problem.transfers, made.transfers, strict=True):
        found += _whole(asked, one)
    edges = sorted({at for one in made.transfers for window in one.windows for at in (window.start, window.end)})
    for start, end in pairwise(edges):
        found += _at(problem, made, start, end)
    return found


def _at(problem: Problem, made: Plan, start: datetime, end: datetime) -> list[str]:
    """Between two moments at which something begins or ends."""
    links = {one.name: one for one in problem.links if one.courier is None}
    rates: dict[str, float] = defaultdict(float)
    lanes: dict[tuple[str, str], float] = defaultdict(float)
    for asked, one in zip(problem.transfers, made.transfers, strict=True):
        for window in one.windows:
            if window.start <= start and window.end >= end and window.link in links:
                rates[window.link] += window.mbps
                lanes[window.link, asked.account] += window.mbps * window.reserved
    middle, found = start + (end - start) / 2, []
    for name, rate in rates.items():
        link, held = links[name], _held(problem, name, middle)
        if rate > _nearly(link.mbps):
            found.append(f"{name} carries {rate} of {link.mbps} at {middle}")
        if link.hours and not any(_within(middle, one) for one in link.hours):
            found.append(f"{name} is closed at {middle}")
        shared = rate - sum(lanes[name, account] for account in ACCOUNTS)
        if shared > _nearly(max(link.mbps - sum(held.values()), 0.0)):
            found.append(f"{name}: {shared} outside of what is reserved at {middle}")
        found += [
            f"{name}: {who} uses too much at {middle}" for who in ACCOUNTS if lanes[name, who] > _nearly(held[who])
        ]
    return found


def _held(problem: Problem, link: str, at: datetime) -> dict[str, float]:
    held: dict[str, float] = defaultdict(float)
    for one in problem.reserved:
        if one.link == link and one.start <= at < one.end:
            held[one.account] += one.mbps
    return held


def _nearly(mbps: float) -> float:
    return mbps * (1 + 1e-6) + 1e-6


def _within(at: datetime, hours: Hours) -> bool:
    clock = (at + timedelta(hours=8)).time()
    if hours.start < hours.end:
        return hours.start <= clock < hours.end
    return clock >= hours.start or clock < hours.end


def _couriers(problem: Problem, made: Plan) -> list[str]:
    tours: dict[tuple[str, datetime], int] = defaultdict(int)
    for one in made.transfers:
        for window in one.windows:
            tours[window.link, window.start] += window.bytes
    found = []
    for link in problem.links:
        if link.courier is None:
            continue
        mine = sorted(start for name, start in tours if name == link.name)
        found += [f"{link.name} leaves twice" for a, b in pairwise(mine) if b - a < timedelta(hours=link.courier.hours)]
        found += [f"{link.name} is too full" for start in mine if tours[link.name, start] > link.courier.bytes]
    return found


def _whole(asked: Transfer, one: Planned) -> list[str]:
    """Every byte goes once over each leg, in order of the legs, from a source to the target."""
    if one.way in {Way.NONE, Way.HERE}:
        return [] if not one.windows else [f"{one.id} has windows and no way"]
    found = []
    sent = [sum(window.bytes for window in one.windows if window.leg == leg) for leg in range(len(one.links))]
    if sent[-1] + one.left != asked.bytes or any(part != asked.bytes for part in sent[:-1]):
        found.append(f"{one.id}: {sent} and {one.left} are not {asked.bytes}")
    if len(one.links) > 1 and asked.bytes:
        whole = max(window.end for window in one.windows if window.leg == 0)
        if any(window.start < whole for window in one.windows if window.leg == 1):
            found.append(f"{one.id} goes on before it is whole")
    if any(
        window.start < (asked.begins or NOW) or window.end > NOW + HORIZON + timedelta(hours=3)
        for window in one.windows
    ):
        found.append(f"{one.id} goes outside of its time")
    return found
