"""What did the platform's owner write in ``agent.toml``? Read into frozen values, or refused with file and field."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import AfterValidator, Field, ValidationError, model_validator

from suanlian.agent.data.terms import StorageHere, wrong_with
from suanlian.agent.lending.terms import Lending
from suanlian.model.base import Name, Text, Value
from suanlian.model.data import StorageShare
from suanlian.model.errors import FieldFault, InvalidError
from suanlian.model.findings import field_faults
from suanlian.model.offer import NewOffer
from suanlian.model.owner import JoinLevel, OwnerPolicy
from suanlian.model.platform import Flavor, Share, Site
from suanlian.model.protocol import MAX_POLL_S
from suanlian.sdk.address import hub_address

_MAX_CONFIG_BYTES: Final = 4 * 1024 * 1024
V = TypeVar("V", bound=Value)


def _hub(url: str) -> str:
    try:
        return hub_address(url)
    except InvalidError as error:
        raise ValueError(str(error)) from error


def _absolute(file: Path) -> Path:
    if not file.is_absolute():
        msg = f"{str(file)!r} is a relative path: the agent may be started anywhere, write it from / on"
        raise ValueError(msg)
    return file


class DriverConfig(Value):
    """Which driver, and what it alone understands. ``environments`` is the option of that name, in its own table."""

    name: Name = "local"
    options: Mapping[str, Any] = Field(default_factory=dict)
    environments: Mapping[str, Any] = Field(default_factory=dict)

    def given(self) -> dict[str, Any]:
        """All options as written."""
        return dict(self.options) | ({"environments": self.environments} if self.environments else {})


class Listed(Value):
    """What the platform publishes. A flavor that is left out here is taken from the driver's own description."""

    sites: tuple[Site, ...] = Field(min_length=1, max_length=400)
    shares: tuple[Share, ...] = Field(min_length=1, max_length=2000)
    flavors: tuple[Flavor, ...] = Field(default=(), max_length=400)
    storage: tuple[StorageShare, ...] = Field(default=(), max_length=400)

    @model_validator(mode="after")
    def _sites_are_here(self) -> Self:
        sites = [site.name for site in self.sites]
        for share in self.shares:
            if share.site not in sites:
                msg = f"share {share.name!r} names site {share.site!r}, which is not among {sites[:20]}"
                raise ValueError(msg)
        for store in self.storage:
            if store.site not in sites:
                msg = f"storage {store.name!r} names site {store.site!r}, which is not among {sites[:20]}"
                raise ValueError(msg)
            if strange := sorted(set(store.shares) - {share.name for share in self.shares}):
                msg = f"storage {store.name!r} names share {strange[0]!r}, which is not published"
                raise ValueError(msg)
            if store.filesystem:
                msg = f"storage {store.name!r}: filesystem is found by the agent: leave it out"
                raise ValueError(msg)
        return self


class SentBounds(Value):
    """How much of what was sent is kept to be looked at."""

    days: int = Field(default=30, ge=1, le=3650)
    mib: int = Field(default=256, ge=1, le=1024 * 1024)


class AgentConfig(Value):
    """The whole of ``agent.toml``. Times in seconds."""

    hub: Annotated[str, AfterValidator(_hub)]
    platform: Name
    connector: Name
    proxy: Text | None = None
    ca_file: Annotated[Path, AfterValidator(_absolute)] | None = None
    driver: DriverConfig = DriverConfig()
    inventory: Listed
    offers: tuple[NewOffer, ...] = Field(default=(), max_length=4000)
    level: JoinLevel = Field(default=JoinLevel.OBSERVE, description="`suanlian-agent level` overrides it")
    policy: OwnerPolicy = Field(default=OwnerPolicy(), description="unless the state directory has a policy.toml")
    storage: Mapping[Name, StorageHere] = Field(default_factory=dict, description="how published storage is reached")
    lending: Lending | None = Field(default=None, description="jobs of the platform's own users run elsewhere, too")
    sent: SentBounds = SentBounds()
    endpoints: tuple[Annotated[str, AfterValidator(_hub)], ...] = Field(
        default=(), max_length=64, description="addresses of the platform that its descriptor names"
    )
    serials: tuple[Text, ...] | None = Field(
        default=None, max_length=2000, description="serial numbers of its hardware; left out: those of this machine"
    )
    usage_segment_s: int = Field(default=60, ge=1, le=3600)
    poll_wait_s: int = Field(default=20, ge=0, le=MAX_POLL_S)

    @model_validator(mode="after")
    def _offers_have_shares(self) -> Self:
        shares = [share.name for share in self.inventory.shares]
        for offer in self.offers:
            if offer.share not in shares:
                msg = f"offer {offer.name!r} names share {offer.share!r}, which is not among {shares[:20]}"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _storage_is_reached(self) -> Self:
        if wrong := wrong_with(self.inventory.storage, self.storage):
            raise ValueError(wrong)
        return self


@dataclass(frozen=True, slots=True)
class Home:
    """The agent's state directory and what lies where in it."""

    root: Path

    @property
    def config(self) -> Path:
        """What the owner wrote."""
        return self.root / "agent.toml"

    @property
    def policy(self) -> Path:
        """What the owner allows, where it stands in a file of its own."""
        return self.root / "policy.toml"

    @property
    def identity(self) -> Path:
        """Who this connector is, and the pinned key of its hub."""
        return self.root / "identity.json"

    @property
    def key(self) -> Path:
        """The private key, readable by its owner only."""
        return self.root / "connector.key"

    @property
    def next_key(self) -> Path:
        """The next private key, until the hub knows it."""
        return self.root / "connector.key.next"

    @property
    def sealing(self) -> Path:
        """The private keys to which a job's secrets are sealed, the current one first; readable by the owner only."""
        return self.root / "sealing.keys"

    @property
    def sealed(self) -> Path:
        """The sealed secrets of attempts that are here."""
        return self.root / "sealed"

    @property
    def ledger(self) -> Path:
        """What must not be lost."""
        return self.root / "ledger.sqlite3"

    @property
    def sent(self) -> Path:
        """What left this platform."""
        return self.root / "sent.sqlite3"

    @property
    def staging(self) -> Path:
        """Where inputs lie until the driver takes them over."""
        return self.root / "staging"

    @property
    def shelf(self) -> Path:
        """Ends of lent jobs on their way home."""
        return self.root / "lent"

    @property
    def data(self) -> Path:
        """What is known of the files in this connector's storage, and how far its moves are."""
        return self.root / "data"

    @property
    def kept(self) -> Path:
        """What jobs left to be kept as datasets, until it is."""
        return self.root / "kept"

    @property
    def driver(self) -> Path:
        """The driver's own state."""
        return self.root / "driver"

    @property
    def lock(self) -> Path:
        """Held by the one agent that runs."""
        return self.root / "lock"


def read_config(path: Path) -> AgentConfig:
    """Read ``agent.toml``. Raises InvalidError ``field_invalid`` naming the file and each field at fault."""
    return _read(path, AgentConfig)


def read_policy(home: Home) -> OwnerPolicy:
    """What the owner allows: ``policy.toml`` where there is one, else ``[policy]`` of ``agent.toml``.

    Raises InvalidError ``field_invalid``, and ``policy_twice`` where both are there: nobody should have to guess.
    """
    config = read_config(home.config)
    if not home.policy.exists():
        return config.policy
    if "policy" in config.model_fields_set:
        wrong = f"{home.policy} is there, and {home.config} has a [policy] too."
        raise InvalidError("policy_twice", wrong, todo="Keep one of the two.")
    return read_policy_file(home.policy)


def read_policy_file(path: Path) -> OwnerPolicy:
    """A policy in a file of its own. Raises InvalidError naming the file and each field at fault."""
    return _read(path, OwnerPolicy)


def _read(path: Path, kind: type[V]) -> V:
    try:
        with path.open("rb") as stream:
            text = stream.read(_MAX_CONFIG_BYTES).decode()
        return kind.model_validate(tomllib.loads(text))
    except OSError as error:
        todo = "Give the path of a file that is there; suanlian-agent enrol makes a state directory."
        raise InvalidError("field_invalid", f"{path} cannot be read: {error.strerror}.", todo=todo) from error
    except ValidationError as error:
        faults = field_faults(error.errors(include_url=False), kind)
        raise _refused(path, "; ".join(_told(fault) for fault in faults), faults) from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise _refused(path, f"is not TOML: {error}", ()) from error


def _told(fault: FieldFault) -> str:
    return f"{fault.field or 'file'}: {fault.wrong}" + (f" ({fault.todo})" if fault.todo else "")


def _refused(path: Path, wrong: str, faults: tuple[FieldFault, ...]) -> InvalidError:
    return InvalidError(
        "field_invalid",
        f"{path}: {wrong}.",
        todo="Correct the file; its reference is docs/reference/agent.md.",
        faults=faults,
    )
