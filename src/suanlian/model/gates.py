"""What the hub knows of a platform on its way in: the facts by which its next step and what is missing are found."""

from dataclasses import dataclass
from decimal import Decimal

from suanlian.model.party import Standing
from suanlian.model.platform import Flavor, PlatformKind, PlatformState


@dataclass(frozen=True, slots=True)
class Shown:
    """What the newest verification of a figure showed, in the unit in which it is claimed."""

    metric: str
    precision: str
    value: Decimal


@dataclass(frozen=True, slots=True)
class FlavorFacts:
    """A flavor that a connector's shares name, and what the hub verified of it."""

    flavor: Flavor
    shown: tuple[Shown, ...] = ()


@dataclass(frozen=True, slots=True)
class ConnectorFacts:
    """What the tables say of one connector that the application names.

    ``passed``: of its newest conformance run that counts; None while there is none. ``id`` is empty before it enrols.
    ``observes``: its owner lets nothing be dispatched to it. ``cap_lacks``: what its owner's cap on probes must be
    raised to for a conformance run; empty where it is large enough.
    """

    name: str
    id: str = ""
    has_token: bool = False
    observes: bool = False
    cap_lacks: str = ""
    passed: bool | None = None
    flavors: tuple[FlavorFacts, ...] = ()
    admitted: bool = False

    @property
    def enrolled(self) -> bool:
        """Whether a connector of this name has entered."""
        return bool(self.id)


@dataclass(frozen=True, slots=True)
class PlatformFacts:
    """What the tables say of a platform; ``standing`` is that of its entity today.

    ``proposed``: somebody proposed that it goes live and nobody decided. ``operators``: how many different persons
    operate the hub.
    """

    name: str
    kind: PlatformKind
    state: PlatformState
    standing: Standing
    entity: str
    connectors: tuple[ConnectorFacts, ...]
    proposed: bool = False
    operators: int = 2
