"""What placement compares: a place (a share with all that bears on it) and a demand (a task that looks for a place)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from suanlian.model.ids import FlavorId, ShareId
from suanlian.model.job import JobSpec
from suanlian.model.levels import USUAL_LEVELS, LevelRules, SiteCheck
from suanlian.model.offer import NewOffer
from suanlian.model.orderly import NO_ORDER, Order
from suanlian.model.owner import JoinLevel
from suanlian.model.performance import Grade
from suanlian.model.platform import Flavor, Share, Site
from suanlian.model.quantity import Resources
from suanlian.model.version import Subject, VersionRef


def is_simulated(flavor: Flavor) -> bool:
    """Whether something that the flavor names, such as its chip, is not in the machine."""
    return flavor.simulated or (flavor.chip is not None and flavor.chip.grade is Grade.SIMULATED)


@dataclass(frozen=True, slots=True)
class Place:
    """A share with all that bears on whether a job may go there; ``free`` is what nobody holds for the time wanted."""

    share_id: ShareId
    platform: str
    platform_live: bool
    accepting: bool
    entity: str
    site: Site
    share: Share
    flavor: Flavor
    offer: NewOffer | None
    versions: tuple[VersionRef, ...]
    free: Resources
    kept: bool = False
    """What is free of it is kept for those that stand before the task in the queue, or start elsewhere sooner."""
    seals: bool = False
    """Whether its connector has told a key, to which a job's secrets can be sealed."""
    admitted: bool = True
    """The connector has passed conformance and verification, and the platform's entity stands checked."""
    closing: datetime | None = None
    """From when on it is to be empty: a drain or a downtime lies ahead."""
    level: JoinLevel = JoinLevel.TRADE
    partners: tuple[str, ...] = ()
    connector_id: str = ""
    """Who publishes the share."""
    check: SiteCheck | None = None
    """What an operator found of where the site lies and how well it is protected; it may have run out."""

    @property
    def flavor_id(self) -> FlavorId | None:
        """The id under which the flavor is published, by which figures and runs are known."""
        return next((FlavorId(ref.id) for ref in self.versions if ref.subject is Subject.FLAVOR), None)

    @property
    def simulated(self) -> bool:
        """Whether something that the flavor names, such as its chip, is not in the machine."""
        return is_simulated(self.flavor)


@dataclass(frozen=True, slots=True)
class Moving:
    """What it takes to bring a task's data to a place: how much, at what price, and how long it takes."""

    gb: Decimal
    cny_per_gb: Decimal
    hours: Decimal = Decimal(0)
    sources: str = ""
    """From which storage it comes, by name."""
    there_gb: Decimal = Decimal(0)
    """So much of it is there already."""
    assumed: bool = False
    """Of a way that it takes nobody knows a rate: the hours go by one that is assumed."""
    wrong: str = ""
    """Why it cannot come there, in English words; empty where it can."""


@dataclass(frozen=True, slots=True)
class Demand:
    """One task that looks for a place: its spec, whose it is, shares at fault in earlier attempts, rules of levels.

    ``refused``: shares of which the owner's policy refused it a short while ago. ``lender``: the platform that lent it.
    """

    spec: JobSpec
    entity: str
    avoid: frozenset[ShareId] = frozenset()
    levels: LevelRules = USUAL_LEVELS
    refused: frozenset[ShareId] = frozenset()
    lender: str = ""
    order: Order = NO_ORDER
    """Which classes of jobs stay in the east, and which clusters take over from which at present."""
    moving: Mapping[ShareId, Moving] = field(default_factory=dict)
    """Where its data has to be brought to first; it is there already where nothing is said."""
    first: ShareId | None = None
    """Where the queue had it: of places that are equal otherwise this one is taken."""
