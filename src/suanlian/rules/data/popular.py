"""Which datasets are worth a further copy near their readers, within a budget, and which copies may go? Pure.

A site's readings count less the older they are: half after ``Sight.half_life_s``. As often as of late they are thought
to come again in the next ``Sight.ahead_s``, and each would have to bring the data anew where no copy stays. That is
what a copy saves, in money and in hours; what it costs is bringing it once and its place on the storage. New copies and
those that may go are weighed together, and what is worth most within the bytes of every site and the money is exact:
one small integer program, so that a larger budget never saves less. All of it is an estimate, made of the past.

A reading counts at the site where its work would have run had all data been everywhere: readings at the data alone
would say that nobody ever wants it elsewhere.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import LinearConstraint, milp
from scipy.sparse import csr_array

GB: Final = Decimal(10**9)
MONTH_S: Final = Decimal(30 * 86_400)
MOST_CHOICES: Final = 2_000
"""So many pairs of dataset and site are weighed against each other at most: those that save most."""
_MOST_NODES: Final = 20_000
"""So far the program is searched; it is known after a few, and what was found by then keeps the budget too."""
_SCALE: Final = 1_000.0
_SLACK: Final = 1e-5
_LN_2: Final = 0.6931471805599453


class Reading(NamedTuple):
    """A line of the access log: work at, or wanted at, a site read a version so many seconds ago."""

    dataset: str
    site: str
    age_s: float


class Bring(NamedTuple):
    """What bringing a version to a site once costs, from its cheapest copy elsewhere: CNY and hours."""

    dataset: str
    site: str
    source: str
    cny: Decimal
    hours: Decimal


@dataclass(frozen=True, slots=True)
class Copies:
    """Where a version is whole: at sites where it must stay, and where it may go. ``coming``: where it is brought.

    ``least``: so many whole copies its rules need; one it needs at any rate.
    """

    dataset: str
    size: int
    fixed: frozenset[str] = frozenset()
    loose: frozenset[str] = frozenset()
    coming: frozenset[str] = frozenset()
    least: int = 1


@dataclass(frozen=True, slots=True)
class Budget:
    """``cny``: for bringing and keeping during ``Sight.ahead_s``. ``bytes``: by site, of copies that may go or are new.

    What comes already and what must stay is taken off ``bytes`` by who asks. ``keep``: CNY for 10^9 bytes and 30 days,
    by site; none: nothing.
    """

    cny: Decimal
    bytes: Mapping[str, int]
    keep: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sight:
    """How far is looked back and ahead (s), and what an hour of waiting for data is worth (CNY)."""

    half_life_s: float = 2 * 86_400.0
    ahead_s: float = 2 * 86_400.0
    hour_cny: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Pair:
    """A copy of a version at a site, there or proposed: its bytes, what it saves and what it costs (CNY, estimates)."""

    dataset: str
    site: str
    size: int
    saved: Decimal
    cost: Decimal

    @property
    def net(self) -> Decimal:
        """What is left of what it saves."""
        return self.saved - self.cost


@dataclass(frozen=True, slots=True)
class Proposals:
    """``bring``: new copies, the most worth first; ``stay`` and ``go``: those that may go, the least worth first.

    ``go`` makes room for ``bring``: first the ones, then the others. ``held`` are left for the rules, or because they
    are what a new copy is brought from; the budget does not count them.
    """

    bring: tuple[Pair, ...]
    stay: tuple[Pair, ...]
    go: tuple[Pair, ...]
    held: tuple[Pair, ...]

    @property
    def saved(self) -> Decimal:
        """CNY that are saved beyond all costs, on the estimate."""
        return sum((one.net for one in (*self.bring, *self.stay)), Decimal(0))

    @property
    def cost(self) -> Decimal:
        """CNY of the budget that are used."""
        return sum((one.cost for one in (*self.bring, *self.stay)), Decimal(0))


def expected(readings: Iterable[Reading], sight: Sight) -> dict[tuple[str, str], float]:
    """Readings in the time ahead by (dataset, site), if they come as often as of late."""
    seen: dict[tuple[str, str], float] = defaultdict(float)
    for one in sorted(readings):  # sums of the same readings are the same
        seen[one.dataset, one.site] += 0.5 ** (max(one.age_s, 0.0) / sight.half_life_s)
    # a steady rate r has r x half_life / ln 2 decayed readings
    return {key: seen[key] * _LN_2 * sight.ahead_s / sight.half_life_s for key in sorted(seen)}


def propose(
    readings: Iterable[Reading],
    versions: Sequence[Copies],
    brings: Sequence[Bring],
    budget: Budget,
    sight: Sight | None = None,
) -> Proposals:
    """The most worth set of copies within the budget.

    ``brings``: for each site where a version may lie and is not fixed, also where a loose copy lies (what it would cost
    to bring it there again). Other sites are left alone.
    """
    sight = sight or Sight()
    often, ways = expected(readings, sight), {(one.dataset, one.site): one for one in brings}
    pairs = _pairs(versions, ways, often, budget, sight)
    whole = {version.dataset: version for version in versions}
    loose = {key for key in pairs if key[1] in whole[key[0]].loose}
    held = {key for version in versions for key in _for_rules(version, pairs)}
    wanted = [pair for key, pair in sorted(pairs.items()) if key not in held and pair.net > 0]
    chosen = {(pair.dataset, pair.site) for pair in _best(wanted, budget)}
    bring = [pairs[key] for key in chosen - loose]
    sources = {(pair.dataset, ways[pair.dataset, pair.site].source) for pair in bring}
    held |= (loose - chosen) & sources
    return Proposals(
        bring=tuple(sorted(bring, key=lambda one: (-one.net, one.dataset, one.site))),
        stay=_least_first(pairs[key] for key in chosen & loose),
        go=_least_first(pairs[key] for key in loose - chosen - held),
        held=_least_first(pairs[key] for key in held),
    )


def _least_first(pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    return tuple(sorted(pairs, key=lambda one: (one.net, one.dataset, one.site)))


def _pairs(
    versions: Sequence[Copies],
    ways: Mapping[tuple[str, str], Bring],
    often: Mapping[tuple[str, str], float],
    budget: Budget,
    sight: Sight,
) -> dict[tuple[str, str], Pair]:
    """All copies that there might be, without those that must stay and those that come already."""
    found: dict[tuple[str, str], Pair] = {}
    for version in versions:
        for site in sorted((set(budget.bytes) - version.coming | version.loose) - version.fixed):
            key = (version.dataset, site)
            # a loose copy of which nobody says what bringing costs is taken to cost nothing to bring again
            way = ways.get(key) or Bring(*key, "", Decimal(0), Decimal(0))
            if key in ways or site in version.loose:
                each = way.cny + way.hours * sight.hour_cny
                keep = budget.keep.get(site, Decimal(0)) * Decimal(sight.ahead_s) / MONTH_S
                cost = keep * Decimal(version.size) / GB + (0 if site in version.loose else way.cny)
                found[key] = Pair(*key, version.size, Decimal(often.get(key, 0.0)) * each, cost)
    return found


def _for_rules(version: Copies, pairs: Mapping[tuple[str, str], Pair]) -> list[tuple[str, str]]:
    """The loose copies that the version cannot do without: those that are worth most."""
    lacking = max(version.least, 1) - len(version.fixed)
    if lacking <= 0:
        return []
    loose = sorted(version.loose, key=lambda site: (-pairs[version.dataset, site].net, site))
    return [(version.dataset, site) for site in loose[:lacking]]


def _best(pairs: Sequence[Pair], budget: Budget) -> list[Pair]:
    """Of pairs that save something, those that save most together within the budget."""
    # which are left out must not depend on the budget, or more of it might save less
    kept = sorted(pairs, key=lambda one: (-one.net, one.dataset, one.site))[:MOST_CHOICES]
    able = [one for one in kept if one.cost <= budget.cny and one.size <= budget.bytes.get(one.site, 0)]
    if not able or _within(able, budget):
        return able
    for slack in (0.0, _SLACK):
        found = _solved(able, budget, slack)
        if _within(found, budget):
            return found
    while not _within(found, budget):  # rounding beyond what the slack allows for
        found = sorted(found, key=lambda one: (-one.net, one.dataset, one.site))[:-1]
    return found


def _within(pairs: Sequence[Pair], budget: Budget) -> bool:
    used: dict[str, int] = defaultdict(int)
    for one in pairs:
        used[one.site] += one.size
    fits = all(size <= budget.bytes.get(site, 0) for site, size in used.items())
    return fits and sum((one.cost for one in pairs), Decimal(0)) <= budget.cny


def _solved(pairs: Sequence[Pair], budget: Budget, slack: float) -> list[Pair]:
    """By HiGHS, each row in shares of its budget. HiGHS 1.12 writes a line of its own to stdout now and then."""
    sites = sorted({one.site for one in pairs})
    rows = [[float(Decimal(one.size) / max(budget.bytes[one.site], 1)) for one in pairs]]
    rows.append([float(one.cost / budget.cny) if budget.cny else 0.0 for one in pairs])
    number = {site: n for n, site in enumerate(sites)}
    count = len(pairs)
    table = csr_array(
        (
            np.array(rows[0] + rows[1]),
            (
                np.array([number[one.site] for one in pairs] + [len(sites)] * count),
                np.concatenate([np.arange(count), np.arange(count)]),
            ),
        ),
        shape=(len(sites) + 1, count),
    )
    most = max(one.net for one in pairs)
    found = milp(
        c=np.array([-_SCALE * float(one.net / most) for one in pairs]),
        constraints=LinearConstraint(table, ub=np.full(len(sites) + 1, 1.0 - slack)),
        integrality=np.ones(count),
        bounds=(0, 1),
        options={"mip_rel_gap": 0.0, "node_limit": _MOST_NODES},
    )
    return [] if found.x is None else [one for one, x in zip(pairs, found.x, strict=True) if x > 0.5]  # noqa: PLR2004 - nearly one
