"""Where does data lie, and who reads it? Sites with accelerators, storage and links, datasets, jobs that read them.

All of it is synthetic and says so. What is drawn, and from what:

- Sites: accelerators log-normal about ``units_median``, in steps of eight; prices spread evenly over ``prices``,
  shuffled.
- Links: one each way between two sites, ``gbps`` times a log-normal factor of sigma 0.3, at ``link_cny`` a GB; reading
  a copy from elsewhere costs ``egress_cny`` a GB.
- Datasets: sizes log-normal; each lies at one site, drawn by its accelerators, where it stays.
- Readings: a job reads a dataset by Zipf's law of exponent ``skew``, and with the probability ``second`` another one.
  Each day a share ``drift`` of the datasets change their ranks among themselves.
- Arrivals: the pattern of a week (``generate.arrivals``); durations log-normal; gangs of 1 to 8. ``rho`` is the load by
  the work alone, without any time that a place is held for data.
- Room: each site keeps copies of up to ``room`` of all bytes besides its own datasets, at least the largest job's data.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from suanlian.i18n import _
from suanlian.twin.generate import arrivals
from suanlian.twin.results import Floats, Ints
from suanlian.twin.trace import TraceError

GB: Final = 1e9
DAY_S: Final = 86_400.0
_GANGS: Final = np.array([1, 2, 4, 8])
_LINKS_SIGMA: Final = 0.3
_SHORTEST_S: Final = 60.0
_LONGEST_S: Final = 2 * DAY_S
_WEEKEND: Final = 0.5
_NODE: Final = 8


@dataclass(frozen=True, slots=True)
class DataRecipe:
    """What to draw; see the head of this file."""

    jobs: int = 5_000
    datasets: int = 50
    sites: int = 6
    rho: float = 0.65
    seed: int = 0
    skew: float = 1.0
    drift: float = 0.1
    second: float = 0.5
    gbps: float = 10.0
    size_gb_median: float = 200.0
    size_gb_sigma: float = 0.8
    room: float = 0.4
    units_median: float = 64.0
    units_sigma: float = 0.5
    hours_median: float = 1.5
    hours_sigma: float = 1.0
    prices: tuple[float, float] = (8.0, 14.0)
    link_cny: float = 0.2
    egress_cny: float = 0.2
    keep_cny: float = 0.1

    def validate(self) -> None:
        """Raise ``TraceError`` ``recipe`` with the option and what it may be."""
        limits = (
            ("jobs", self.jobs, 1, 1_000_000),
            ("datasets", self.datasets, 1, 10_000),
            ("sites", self.sites, 1, 200),
            ("rho", self.rho, 0.01, 5.0),
            ("skew", self.skew, 0.0, 5.0),
            ("drift", self.drift, 0.0, 1.0),
            ("second", self.second, 0.0, 1.0),
            ("gbps", self.gbps, 1e-3, 1e5),
            ("size_gb_median", self.size_gb_median, 1e-3, 1e6),
            ("size_gb_sigma", self.size_gb_sigma, 0.0, 3.0),
            ("room", self.room, 0.0, 100.0),
            ("units_median", self.units_median, _NODE, 1e6),
            ("hours_median", self.hours_median, 0.01, 300.0),
        )
        for name, value, least, most in limits:
            if not least <= value <= most:
                wrong = _("{name} is {value:g}; it must lie from {least:g} to {most:g}.")
                raise TraceError("recipe", wrong.format(name=name, value=value, least=least, most=most))


@dataclass(frozen=True, slots=True)
class DataWorld:
    """S sites. ``units`` accelerators at ``price`` CNY an hour each; ``room``: bytes for copies besides own datasets.

    ``mbps`` (S, S) megabits per second from, to; ``link_cny`` (S, S) and ``egress_cny`` (S,) CNY for a GB; ``keep_cny``
    (S,) CNY for a GB and 30 days.
    """

    names: tuple[str, ...]
    units: Ints
    price: Floats
    room: Ints
    mbps: Floats
    link_cny: Floats
    egress_cny: Floats
    keep_cny: Floats


@dataclass(frozen=True, slots=True)
class DataDemand:
    """N jobs in order of submission (s), with what each reads; D datasets of ``size`` bytes at ``origin``."""

    submit: Floats
    duration: Floats
    units: Ints
    reads: tuple[tuple[int, ...], ...]
    size: Ints
    origin: Ints

    def __len__(self) -> int:
        return len(self.submit)


def draw(recipe: DataRecipe) -> tuple[DataWorld, DataDemand]:
    """The sites and the demand of a recipe, the same for the same seed. Raises ``TraceError``."""
    recipe.validate()
    rng = np.random.default_rng([recipe.seed, 6])
    units, price = _sites(recipe, rng)
    size = np.rint(GB * np.exp(rng.normal(np.log(recipe.size_gb_median), recipe.size_gb_sigma, recipe.datasets)))
    origin = rng.choice(recipe.sites, recipe.datasets, p=units / units.sum()).astype(np.int64)
    factor = np.exp(rng.normal(0.0, _LINKS_SIGMA, (recipe.sites, recipe.sites)))
    hours = np.exp(rng.normal(np.log(recipe.hours_median), recipe.hours_sigma, recipe.jobs))
    duration = np.ceil(np.clip(hours * 3600, _SHORTEST_S, _LONGEST_S))
    gangs = rng.choice(_GANGS, recipe.jobs, p=_GANGS[::-1] / _GANGS.sum()).astype(np.int64)
    span = float(np.sum(duration * gangs)) / (recipe.rho * float(units.sum()))
    submit = np.floor(arrivals(recipe.jobs, span, _WEEKEND, rng))
    reads = _readings(recipe, submit, rng)
    largest = max(sum(int(size[one]) for one in each) for each in reads)
    world = DataWorld(
        names=tuple(f"s{number + 1}" for number in range(recipe.sites)),
        units=units,
        price=price,
        room=np.full(recipe.sites, max(int(recipe.room * size.sum()), largest), dtype=np.int64),
        mbps=recipe.gbps * 1000.0 * factor,
        link_cny=np.full((recipe.sites, recipe.sites), recipe.link_cny),
        egress_cny=np.full(recipe.sites, recipe.egress_cny),
        keep_cny=np.full(recipe.sites, recipe.keep_cny),
    )
    return world, DataDemand(submit, duration, gangs, reads, size.astype(np.int64), origin)


def _sites(recipe: DataRecipe, rng: np.random.Generator) -> tuple[Ints, Floats]:
    drawn = np.exp(rng.normal(np.log(recipe.units_median), recipe.units_sigma, recipe.sites))
    units = np.maximum(_NODE, _NODE * np.rint(drawn / _NODE)).astype(np.int64)
    return units, rng.permutation(np.linspace(*recipe.prices, recipe.sites))


def _readings(recipe: DataRecipe, submit: Floats, rng: np.random.Generator) -> tuple[tuple[int, ...], ...]:
    weight = 1.0 / np.arange(1, recipe.datasets + 1) ** recipe.skew
    until = np.cumsum(weight) / weight.sum()
    ranked = rng.permutation(recipe.datasets)
    changing = round(recipe.drift * recipe.datasets)
    day, found = 0, []
    for at in submit:
        while at >= (day + 1) * DAY_S:
            some = rng.choice(recipe.datasets, changing, replace=False)
            ranked[some] = ranked[rng.permutation(some)]
            day += 1
        ranks = np.minimum(np.searchsorted(until, rng.random(2)), recipe.datasets - 1)
        both = rng.random() < recipe.second and ranks[0] != ranks[1]
        found.append(tuple(int(one) for one in ranked[ranks[: 2 if both else 1]]))
    return tuple(found)
