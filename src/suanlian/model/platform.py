"""Platforms that stay in their owners' hands: sites, shares, flavors, environments, and how a platform joins."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import Field, model_validator

from suanlian.model.base import LongText, Name, Region, Text, Utc, Value
from suanlian.model.data import StorageShare
from suanlian.model.ids import ConnectorId, EntityId, PlatformId
from suanlian.model.levels import ProtectionGrade
from suanlian.model.money import Amount
from suanlian.model.performance import Architecture, ComputeClass, Grade, Performance
from suanlian.model.quantity import Resources
from suanlian.model.stack import StackVersion

Fraction = Annotated[Amount, Field(ge=0, le=1)]
"""A share between 0 and 1, a decimal."""


class Feature(StrEnum):
    """What a platform can do with a job besides running it; its driver says so, not its owner."""

    MOUNTS = "mounts"
    """Absolute paths inside the job lead to its own files."""
    GANG = "gang"
    """Several nodes at once, all or nothing, with an address at which they meet."""
    SUSPEND = "suspend"
    """A running job can be paused and resumed."""
    SIGNALS = "signals"
    """A signal reaches the job's program, so that it can write a checkpoint."""
    FILES = "files"
    """What other jobs brought is laid out besides the inputs; every connector of this version can."""


class PlatformState(StrEnum):
    """How far a platform has come; which way leads where stands in ``rules/onboarding.py``."""

    APPLIED = "applied"
    DOCUMENTS_CHECKED = "documents-checked"
    CONNECTED = "connected"
    CONFORMANCE_PASSED = "conformance-passed"
    VERIFIED = "verified"
    LIVE = "live"
    SUSPENDED = "suspended"
    FROZEN = "frozen"
    RECTIFYING = "rectifying"
    WITHDRAWN = "withdrawn"


class PlatformKind(StrEnum):
    """A platform that runs work itself, or a hub below that looks like one more platform."""

    COMPUTE = "compute"
    HUB = "hub"


class NewConnector(Value):
    """A connector that an application names: a data centre of the platform, say."""

    name: Name
    title: Text = ""
    region: Region | None = None


class NewPlatform(Value):
    """What a provider states to apply. Without ``connectors`` it is one: ``NAME-1``, or ``NAME`` for a hub below."""

    name: Name
    title: Text = ""
    title_zh: Text = ""
    kind: PlatformKind = PlatformKind.COMPUTE
    label: Annotated[str, Field(pattern=r"^[A-Z0-9]{1,16}$")] | None = Field(
        default=None, description="a hub below asks for this label of the prefix"
    )
    connectors: tuple[NewConnector, ...] = Field(default=(), max_length=400)

    @model_validator(mode="after")
    def _connectors(self) -> Self:
        names = [connector.name for connector in self.connectors]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            msg = f"connectors are named twice: {', '.join(twice[:20])}"
            raise ValueError(msg)
        return self

    def named_connectors(self) -> tuple[NewConnector, ...]:
        """The connectors of the application, the one that is meant where none is named."""
        one = self.name if self.kind is PlatformKind.HUB else f"{self.name[:61]}-1"
        return self.connectors or (NewConnector(name=one),)


class Platform(Value):
    """A platform as the hub knows it."""

    id: PlatformId
    public_id: str
    entity_id: EntityId
    name: Name
    title: Text = ""
    title_zh: Text = ""
    kind: PlatformKind = PlatformKind.COMPUTE
    state: PlatformState
    state_since: Utc
    applied_at: Utc
    documents_at: Utc | None = Field(default=None, description="when its documents were checked")
    live_at: Utc | None = None


LEAD_S: Final = 60
"""Moving what runs begins so many seconds, and its grace, before a place is to be empty."""


class Downtime(Value):
    """A time in which the platform is off: all is out at its start, and nothing is placed that would run into it."""

    start: Utc
    end: Utc
    note: Text = ""

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end <= self.start:
            msg = "a downtime ends after its start"
            raise ValueError(msg)
        return self


class Drain(Value):
    """The platform is being emptied: nothing new comes, what runs is moved, all is out at ``by`` (None: as soon as)."""

    since: Utc
    by: Utc | None = None
    who: Text = ""
    why: Text = ""


class Drained(Value):
    """How far a platform is emptied: by whom, what still runs there, and its calendar."""

    platform: Name
    operator: Drain | None = None
    owners: Mapping[Name, Drain] = Field(default_factory=dict, description="by connector")
    downtimes: Mapping[Name, tuple[Downtime, ...]] = Field(default_factory=dict, description="by connector")
    running: int = 0
    told: int = Field(default=0, description="so many of these were told to make room")
    attempts: tuple[str, ...] = Field(default=(), description="the first of them")


class Latency(Value):
    """One-way latency from a site to users of a region, in milliseconds, and how it is known."""

    region: Region
    one_way_ms: Annotated[Amount, Field(ge=0, le=10_000)]
    grade: Grade
    source: Text = ""


class Site(Value):
    """A place of a platform: what regulation, latency and power depend on."""

    name: Name
    title: Text = ""
    title_zh: Text = ""
    region: Region
    west: bool = Field(default=False, description="on the supply side of East Data West Computing")
    green_share: Fraction = Field(default=Decimal(0), description="contracted green power, apart from the grid factor")
    grid_g_co2_per_kwh: Annotated[Amount, Field(ge=0, le=5000)] | None = None
    pue: Annotated[Amount, Field(ge=1, le=5)] | None = None
    protection_grade: ProtectionGrade = Field(default=0, description="claimed; counts as far as an operator checked it")
    latencies: tuple[Latency, ...] = Field(default=(), max_length=400)


ImageReference = Annotated[str, Field(pattern=r"^[a-z0-9][A-Za-z0-9._/:@-]{0,254}$")]
"""An image as people write it: a name with a registry, a tag or a digest where they give one."""


class NamedEnvironment(Value):
    """Software that a platform declares under a name; a job's variant names it instead of an image digest."""

    name: Name
    architecture: Architecture
    description: Text = ""
    images: tuple[ImageReference, ...] = Field(
        default=(), max_length=64, description="references of images that this environment stands for here"
    )


class Chip(Value):
    """The accelerator of a flavor. ``grade`` is ``simulated`` when no such chip is in the machine."""

    family: Name
    model: Text
    grade: Grade


class Flavor(Value):
    """A homogeneous kind of node: what one attempt can be given at most, and how fast it is."""

    name: Name
    compute_class: ComputeClass
    architecture: Architecture
    node: Resources = Field(description="what one node has")
    chip: Chip | None = None
    performance: tuple[Performance, ...] = Field(default=(), max_length=16)
    environments: tuple[NamedEnvironment, ...] = Field(default=(), max_length=64)
    simulated: bool = Field(default=False, description="something this flavor names is not in the machine")
    image_runtime: Name | None = Field(
        default=None, description="what runs images here, such as podman, enroot, apptainer; none: none does"
    )
    stacks: tuple[StackVersion, ...] = Field(default=(), max_length=16, description="software of its accelerators")
    features: tuple[Feature, ...] = Field(default=(), max_length=16, description="as its driver tells")
    note: LongText = ""


USUAL_NOTICE_S: Final = 300


class ShareMode(StrEnum):
    """How a share stands beside the owner's own work."""

    EXCLUSIVE = "exclusive"
    """Kept free for the market."""
    CAPPED = "capped"
    """The owner's work runs there too; the market gets at most the capacity."""
    LEFTOVER = "leftover"
    """What the owner's work leaves, and the owner may take it back."""


class Share(Value):
    """A slice of a platform at one site, of one flavor, with its capacity."""

    name: Name
    site: Name
    flavor: Name
    capacity: Resources
    isolation: Text = Field(default="", description="how jobs are kept apart here, in the driver's words")
    isolated: bool = False
    allow_unisolated: bool = Field(default=False, description="the owner takes other entities' jobs without isolation")
    mode: ShareMode = ShareMode.EXCLUSIVE
    notice_s: int = Field(
        default=0,
        ge=0,
        le=86_400,
        description="between the owner's asking for capacity back and a job's end; leftover: 300 if not said",
    )

    @model_validator(mode="before")
    @classmethod
    def _usual_notice(cls, given: Any) -> Any:  # noqa: ANN401 - whatever was written
        """A leftover share of which no notice is said has the usual one."""
        if isinstance(given, dict) and given.get("mode") == ShareMode.LEFTOVER and "notice_s" not in given:
            return {**given, "notice_s": USUAL_NOTICE_S}
        return given


class Inventory(Value):
    """All that a platform publishes at once; names are unique within it and every reference resolves."""

    sites: tuple[Site, ...] = Field(max_length=400)
    flavors: tuple[Flavor, ...] = Field(max_length=400)
    shares: tuple[Share, ...] = Field(max_length=2000)
    storage: tuple[StorageShare, ...] = Field(default=(), max_length=400, exclude_if=lambda storage: not storage)

    @model_validator(mode="after")
    def _names(self) -> Self:
        for things in (self.sites, self.flavors, self.shares, self.storage):
            names = [thing.name for thing in things]
            if len(set(names)) != len(names):
                msg = f"a name stands twice among {names[:20]}"
                raise ValueError(msg)
        sites, flavors = {s.name for s in self.sites}, {f.name for f in self.flavors}
        for share in self.shares:
            if share.site not in sites or share.flavor not in flavors:
                msg = (
                    f"share {share.name!r} names site {share.site!r} and flavor {share.flavor!r}: publish both with it"
                )
                raise ValueError(msg)
        for store in self.storage:
            if store.site not in sites or not set(store.shares) <= {share.name for share in self.shares}:
                msg = f"storage {store.name!r} names site {store.site!r} and shares {store.shares}: publish all with it"
                raise ValueError(msg)
        return self


class Connector(Value):
    """A connector as the hub knows it: each has its own key and its own revision."""

    id: ConnectorId
    platform_id: PlatformId
    name: Name
    public_key: str
    revision: int
    accepting: bool
    enrolled_at: Utc
    seen_at: Utc | None = None
    admitted_at: Utc | None = Field(default=None, description="since when its shares may be placed on")
    level: str = Field(default="observe", description="how far its owner has joined: observe, run, trade")
