"""A demand that nobody recorded: platforms and jobs drawn from stated distributions, the same for the same seed.

All of it is synthetic and says so. What is drawn, and from what:

- Platforms: nodes log-normal about ``nodes_median``, at least one; each of an owner, or several of one.
- Arrivals: a Poisson process given its number (so that N jobs are N), its rate by the hour of the week: highest in the
  afternoon, a quarter at night, ``weekend`` of it on the last two days.
- Durations: log-normal, cut below at a minute and above at two weeks. The span is what makes the load ``rho``.
- Gangs: powers of two up to 64, each 2 to the power of -``gang_decay`` times as likely as the one before; one larger
  than its platform is made the largest that fits there.
- Where: by capacity, times a log-normal factor of ``unevenness`` a platform: some are short while others stand idle.
- Accounts: ``accounts`` a platform, the k-th submits in proportion to 1/k.
- Portability: each job with the probability ``portable``. Estimates: the duration, times what ``estimates`` says.
- Data: log-normal about ``data_gb_median``; zero: none.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from suanlian.i18n import _
from suanlian.twin.demand import Demand
from suanlian.twin.replay import KNUTH, WORD, guessed
from suanlian.twin.request import Estimates
from suanlian.twin.results import Floats, Ints
from suanlian.twin.trace import Trace, TraceError
from suanlian.twin.words import GENERATED
from suanlian.twin.world import World

_HOURS: Final = 168
_SHORTEST_S: Final = 60.0
_LONGEST_S: Final = 14 * 86_400.0
_GANGS: Final = 2 ** np.arange(7)
_ERRORS: Final = {Estimates.EXACT: (1.0, 0.0), Estimates.DOUBLE: (2.0, 0.0), Estimates.LOGNORMAL: (1.0, 0.7)}
MOST_JOBS: Final = 10_000_000
MOST_PLATFORMS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to draw; see the head of this file."""

    jobs: int = 20_000
    platforms: int = 4
    rho: float = 0.7
    seed: int = 0
    owners: int = 0
    """0: one a platform."""
    node_units: int = 8
    nodes_median: float = 32.0
    nodes_sigma: float = 0.8
    hours_median: float = 1.5
    hours_sigma: float = 1.6
    gang_decay: float = 1.0
    unevenness: float = 0.3
    weekend: float = 0.5
    accounts: int = 8
    portable: float = 1.0
    estimates: Estimates = Estimates.OWN
    data_gb_median: float = 0.0
    data_gb_sigma: float = 1.5

    def validate(self) -> None:
        """Raise ``TraceError`` ``recipe`` with the option and what it may be."""
        limits = (
            ("jobs", self.jobs, 1, MOST_JOBS),
            ("platforms", self.platforms, 1, MOST_PLATFORMS),
            ("rho", self.rho, 0.01, 5.0),
            ("owners", self.owners, 0, self.platforms),
            ("node_units", self.node_units, 1, 1024),
            ("nodes_median", self.nodes_median, 1, 1e6),
            ("hours_median", self.hours_median, 0.01, 300),
            ("nodes_sigma", self.nodes_sigma, 0, 5),
            ("hours_sigma", self.hours_sigma, 0, 5),
            ("gang_decay", self.gang_decay, 0, 20),
            ("unevenness", self.unevenness, 0, 5),
            ("weekend", self.weekend, 0, 1),
            ("accounts", self.accounts, 1, 10_000),
            ("portable", self.portable, 0, 1),
            ("data_gb_median", self.data_gb_median, 0, 1e6),
        )
        for name, value, least, most in limits:
            if not least <= value <= most:
                raise TraceError(
                    "recipe",
                    _("{name} is {value:g}; it must lie from {least:g} to {most:g}.").format(
                        name=name, value=value, least=least, most=most
                    ),
                )


def generate(recipe: Recipe) -> tuple[World, Demand]:
    """The platforms and the demand of a recipe. Raises ``TraceError``."""
    recipe.validate()
    rng = np.random.default_rng(recipe.seed)
    world = _platforms(recipe, rng)
    home = _homes(recipe, world.units, rng)
    units = _gangs(recipe, rng, world.units[home])
    hours = np.exp(rng.normal(np.log(recipe.hours_median), recipe.hours_sigma, recipe.jobs))
    duration = np.ceil(np.clip(hours * 3600, _SHORTEST_S, _LONGEST_S))
    span = float(np.sum(duration * units)) / (recipe.rho * float(world.units.sum()))
    account = home * recipe.accounts + _zipf(recipe, rng)
    trace = Trace(
        job=np.arange(recipe.jobs, dtype=np.int64),
        home=home,
        submit=np.floor(arrivals(recipe.jobs, span, recipe.weekend, rng)),
        duration=duration,
        units=units,
        estimate=duration,
        movable=rng.random(recipe.jobs) < recipe.portable,
        account=account,
        priority=np.zeros(recipe.jobs, dtype=np.int64),
        deadline=np.full(recipe.jobs, np.inf),
        data_gb=np.zeros(recipe.jobs),
        accounts=tuple(f"{name}/{number}" for name in world.names for number in range(recipe.accounts)),
        source=GENERATED,
    )
    if recipe.data_gb_median:
        trace = with_data(trace, recipe.data_gb_median, recipe.seed, recipe.data_gb_sigma)
    return world, Demand(with_estimates(trace, recipe.estimates, recipe.seed).ordered(), world.names)


def arrivals(count: int, span_s: float, weekend: float, rng: np.random.Generator) -> Floats:
    """``count`` moments of [0, span_s) with the pattern of a week, in order, shape (count,)."""
    hours = np.arange(max(1, int(np.ceil(span_s / 3600))))
    rate = week(weekend)[hours % _HOURS]
    ends = np.minimum((hours + 1) * 3600.0, span_s)
    widths = np.diff(ends, prepend=0.0)
    mass = np.concatenate(([0.0], np.cumsum(rate * widths)))
    drawn = np.sort(rng.random(count)) * mass[-1]
    moments: Floats = np.interp(drawn, mass, np.concatenate(([0.0], ends)))
    return moments


def week(weekend: float) -> Floats:
    """Rate of arrivals by the hour of a week from Monday 00:00, at most 1, shape (168,)."""
    hour = np.arange(_HOURS)
    day = 0.625 + 0.375 * np.cos((hour % 24 - 15) / 24 * 2 * np.pi)
    return np.where(hour // 24 >= 5, day * weekend, day)  # noqa: PLR2004 - five working days


def with_estimates(trace: Trace, kind: Estimates, seed: int) -> Trace:
    """The trace with estimates of its own, or synthetic: exact, twice the duration, a log-normal error of sigma 0.7."""
    if kind is Estimates.OWN:
        return trace
    error = _ERRORS[kind]
    return guessed(trace, factor=error[0], spread=error[1], seed=seed)


def with_data(trace: Trace, median_gb: float, seed: int, sigma: float = 1.5) -> Trace:
    """The trace with synthetic sizes of data, log-normal about the median (GB)."""
    rng = np.random.default_rng([seed, 2])
    return replace(trace, data_gb=np.exp(rng.normal(np.log(median_gb), sigma, len(trace))))


def with_portable(trace: Trace, share: float) -> Trace:
    """The trace in which a job may move if a hash of its id falls below ``share``; the same jobs for every strategy.

    A larger share contains a smaller one. A job that the trace itself says cannot move, stays.
    """
    hashed = (trace.job.astype(np.uint64) * np.uint64(KNUTH)) % np.uint64(WORD)
    return replace(trace, movable=trace.movable & (hashed / WORD < share))


def _platforms(recipe: Recipe, rng: np.random.Generator) -> World:
    drawn = np.exp(rng.normal(np.log(recipe.nodes_median), recipe.nodes_sigma, recipe.platforms))
    nodes = np.maximum(1, np.rint(drawn)).astype(np.int64)
    digits = len(str(recipe.platforms))
    owners = recipe.owners or recipe.platforms
    return World(
        names=tuple(f"p{number + 1:0{digits}d}" for number in range(recipe.platforms)),
        nodes=nodes,
        node_units=np.full(recipe.platforms, recipe.node_units, dtype=np.int64),
        owner=np.arange(recipe.platforms, dtype=np.int64) % owners,
        owners=tuple(f"owner {number + 1}" for number in range(owners)),
    )


def _homes(recipe: Recipe, units: Ints, rng: np.random.Generator) -> Ints:
    weight = units * np.exp(rng.normal(0.0, recipe.unevenness, recipe.platforms))
    return rng.choice(recipe.platforms, recipe.jobs, p=weight / weight.sum()).astype(np.int64)


def _gangs(recipe: Recipe, rng: np.random.Generator, most: Ints) -> Ints:
    weight = 0.5 ** (recipe.gang_decay * np.arange(len(_GANGS)))
    drawn = rng.choice(_GANGS, recipe.jobs, p=weight / weight.sum())
    # a gang larger than its platform is the largest power of two that fits there
    gangs: Ints = np.minimum(drawn, 2 ** np.floor(np.log2(most)).astype(np.int64)).astype(np.int64)
    return gangs


def _zipf(recipe: Recipe, rng: np.random.Generator) -> Ints:
    weight = 1.0 / np.arange(1, recipe.accounts + 1)
    return rng.choice(recipe.accounts, recipe.jobs, p=weight / weight.sum()).astype(np.int64)
