"""What one simulation is asked for. Nothing here needs numpy: the command line knows its options without it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from suanlian.model.market_policy import MarketPolicy

Tell = Callable[[int, int, str], None]
"""Called as work goes on: simulations done, all of them, what is done now."""


class Estimates(StrEnum):
    """What is known of a duration beforehand. All three are synthetic wherever a trace has none of its own."""

    OWN = "own"
    EXACT = "exact"
    DOUBLE = "double"
    LOGNORMAL = "lognormal"


class Unit(StrEnum):
    """What is counted as one in Slurm's accounting: GPUs where any job has one, else CPUs."""

    AUTO = "auto"
    GPU = "gpu"
    CPU = "cpu"


class Partner(StrEnum):
    """With whom one's own queue is federated in the simulation: both are assumed, and said to be."""

    AUTO = "auto"
    RECORDED = "recorded"
    GENERATED = "generated"


class Axis(StrEnum):
    """What a sweep goes over."""

    LOAD = "load"
    PORTABILITY = "portability"
    LINK = "link"
    MOVE = "move"
    GREEN = "green"


@dataclass(frozen=True, slots=True)
class Request:
    """One call. ``trace`` None: the recorded demand that ships; with ``jobs`` or ``platforms`` above 0 a generated one.

    ``nodes`` are the platforms' own; where it is empty each platform is sized so that its own demand loads it to
    ``rho``. ``data_gb`` above 0 gives every job synthetic data. ``mine`` is a file of ``sacct -P``.
    """

    trace: Path | None = None
    rho: float = 0.7
    portable: float = 1.0
    strategies: tuple[str, ...] = ("alone", "skip", "suanlian", "pooled")
    jobs: int = 0
    platforms: int = 0
    owners: int = 0
    seed: int = 0
    recipe: Mapping[str, float] = field(default_factory=dict)
    """More of what is drawn: fields of ``generate.Recipe``."""
    node_units: int = 0
    nodes: Mapping[str, int] = field(default_factory=dict)
    estimates: Estimates = Estimates.OWN
    data_gb: float = 0.0
    gbps: float = 10.0
    move_s: float = 600.0
    sweep: tuple[Axis, ...] = ()
    what_if: tuple[str, ...] = ()
    mine: Path | None = None
    unit: Unit = Unit.AUTO
    partner: Partner = Partner.AUTO
    price: float = 1.8
    policy: MarketPolicy | None = None
    """The hub's weights for the strategy suanlian; ``move_s`` above stands for its own. None: the twin's."""
    keep: Path | None = None
    """Where the demand is written as Parquet, so that it can be run again."""
