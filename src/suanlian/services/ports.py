"""What services ask of the world, as protocols and values; the composition root hands them in."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from suanlian.crypto.keys import KeyPair
from suanlian.crypto.oidc import Keys
from suanlian.model.audit import AuditAnswer, AuditCall
from suanlian.model.data_protocol import TaskReport
from suanlian.model.ids import ShareId
from suanlian.model.job import JobSpec
from suanlian.model.levels import LevelRules
from suanlian.model.lineage import KeyPin, SignedKeyChange
from suanlian.model.node import Resolution, Resolved
from suanlian.model.place import Moving, Place
from suanlian.model.placement import Queueing
from suanlian.model.rekey import DelegationAnswer, DelegationCall
from suanlian.model.report import ReportUpAnswer, ReportUpCall
from suanlian.model.tes import Bytes
from suanlian.rules.admitting import Admissions
from suanlian.rules.normalising import Known
from suanlian.rules.queueing.line import Starts
from suanlian.store.market import Asker
from suanlian.store.unit import Row, Unit

Clock = Callable[[], datetime]
"""The time now, UTC."""

RandomBytes = Callable[[int], bytes]
"""So many bytes that nobody can guess."""

KnownOf = Callable[[JobSpec, str, str, Sequence[Place]], Known | None]
"""What is known of a job of this account and id at these places, besides what is published (``throughput``)."""


def nothing_known(*_asked: object) -> None:
    """Places are compared by what they publish alone."""


class DataOf(Protocol):
    """What bringing the data of jobs to places takes, as of one moment (``bringing``)."""

    def of(self, spec: JobSpec, places: Sequence[Place], /) -> Mapping[ShareId, Moving]:
        """For each place where its data is not, what bringing it takes; places are the same at each call."""
        ...

    def stamp(self, specs: Collection[JobSpec], /) -> object:
        """Equal where nothing that bears on it has changed."""
        ...


class NoData:
    """No job's data has to be brought anywhere."""

    def of(self, _spec: JobSpec, _places: Sequence[Place], /) -> Mapping[ShareId, Moving]:
        """Nothing."""
        return {}

    def stamp(self, _specs: Collection[JobSpec], /) -> object:
        """Nothing changes."""
        return ()


NO_DATA: Final = NoData()


@dataclass(frozen=True, slots=True)
class Node:
    """This hub, as its services need to know it. ``prefixes`` are all that it issues or issued under."""

    id: str
    name: str
    url: str
    prefix: str
    prefixes: frozenset[str]
    provisional: bool
    keypair: KeyPair


@dataclass(frozen=True, slots=True)
class Secrets:
    """What keyed hashes and fresh tokens are made with."""

    pepper: bytes = field(repr=False)
    random_bytes: RandomBytes
    at_rest: bytes = field(default=b"", repr=False)
    """The key of 32 bytes with which what must not lie open in the store is sealed."""


class HubKeyring(Protocol):
    """The hub's keys: the one in use, and those before it as long as they hold."""

    def addressed(self, key_id: str) -> KeyPair | None:
        """The key by this name, while it holds: who pinned it is answered by it."""
        ...

    def is_past(self, key_id: str) -> bool:
        """Whether this was a key of the hub's and holds no longer."""
        ...


@dataclass(frozen=True, slots=True)
class Followed:
    """What a hub above said of our prefix, and what is pinned of its key after all that it has changed."""

    pin: KeyPin
    answer: DelegationAnswer


class Upstream(Protocol):
    """The hub above, by one uplink."""

    def keep_up(self, pin: KeyPin, call: DelegationCall, change: SignedKeyChange | None) -> Followed:
        """Follow the key of the hub above, introduce our own where it changed, and get our delegation as it is now.

        ``change``: the last one of our own key. Raises SuanlianError, transient when worth a repeat.
        """
        ...

    def send_report(self, call: ReportUpCall) -> ReportUpAnswer:
        """Send a report up; the answer's signature is checked. Raises SuanlianError, transient when worth a repeat."""
        ...

    def send_head(self, call: AuditCall) -> AuditAnswer:
        """Send a head of the audit log up, or ask which one is held there. Raises as ``send_report``."""
        ...


@dataclass(frozen=True, slots=True)
class Relying:
    """How this hub relies on an identity provider: whose tokens for whom it believes, and where it may send people."""

    issuer: str
    client_id: str
    device_client_id: str
    session: timedelta
    sign_up: bool
    return_origins: frozenset[str]

    @property
    def audiences(self) -> frozenset[str]:
        """The names under which we ask for tokens."""
        return frozenset({self.client_id, self.device_client_id})


class IdentityProvider(Protocol):
    """An OpenID provider. Every call may wait for the network: never inside a unit of work.

    Raises UnavailableError ``provider_unavailable``, UnauthenticatedError ``sign_in_refused``.
    """

    @property
    def relying(self) -> Relying:
        """What is agreed with it."""
        ...

    def keys(self, *, anew: bool = False) -> Keys:
        """Its public keys; ``anew`` asks it again, but seldom: a stranger's token must not drive us there."""
        ...

    def authorization_url(self, state: str, nonce: str, challenge: str) -> str:
        """Where a browser begins (code flow with PKCE, S256)."""
        ...

    def redeem(self, code: str, verifier: str) -> str:
        """The ID token for a code."""
        ...


class Delivers(Protocol):
    """The way to an address that somebody else chose. A call may wait for the network: never inside a unit of work."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send it there, following nothing; the status of the answer, of which nothing else is told.

        Raises InvalidError where nobody is to be called there, UnavailableError where nobody answers.
        """
        ...


class Directory(Protocol):
    """Other hubs, asked what an identifier names."""

    def find(self, referral: Resolution) -> Resolved:
        """Go where the referral leads, with no transaction open.

        Raises NotFoundError where the hub in charge knows no such thing, UnavailableError where one does not answer,
        InvalidError where one leads astray.
        """
        ...


@dataclass(frozen=True, slots=True)
class Aside:
    """What is left aside for now: jobs with which somebody is busy, and all of accounts that have enough under way."""

    jobs: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Doors:
    """What the operator opens: origins that are read and written besides public ones, and directories of entities."""

    input_origins: frozenset[str] = frozenset()
    output_origins: frozenset[str] = frozenset()
    file_roots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Outside(Protocol):
    """Addresses that somebody wrote into a task. Every call may wait for the network: never inside a unit of work.

    Raises InvalidError where that address will never do, UnavailableError where another try may.
    """

    def read(self, url: str) -> Bytes:
        """What lies at an http or https address."""
        ...

    def write(self, url: str, data: bytes) -> None:
        """PUT to an http or https address. Done twice, it changes nothing more."""
        ...

    def read_files(self, root: str, path: str, *, is_directory: bool) -> list[tuple[str, bytes]]:
        """The file at ``path`` below ``root``, named ``""``, or all files below it by their relative paths."""
        ...

    def write_file(self, root: str, path: str, data: bytes) -> None:
        """Write a file at ``path`` below ``root``: whole or not at all."""
        ...

    def close(self) -> None:
        """Break off what goes on; nothing can be read or written any more."""
        ...


class Memory(Protocol):
    """What is kept between looks at all that waits."""

    levels: LevelRules
    admissions: Admissions
    data: DataOf

    def spec(self, unit: Unit, job_id: str) -> JobSpec:
        """The spec of a job, which never changes."""
        ...

    def know(self, unit: Unit, job_ids: Sequence[str]) -> Mapping[str, Asker]:
        """Who asks by each of these jobs; all that is new is read at once, specs too."""
        ...


class Turns(Protocol):
    """Who starts next: the queue of all that waits, as ``services/ordering`` keeps it."""

    def look(self, unit: Unit, places: Sequence[Place]) -> None:
        """Bring the queue in step with what waits, runs and is free."""
        ...

    def step(self, unit: Unit) -> tuple[Starts, ...]:
        """Who starts now, in their order."""
        ...

    def takes(self, unit: Unit, start: Starts, place: int) -> bool:
        """Whether one that is to start may start at this place (by its number) instead, pushing nobody back."""
        ...

    def relocate(self, unit: Unit, start: Starts, place: int) -> None:
        """One that is to start starts there instead."""
        ...

    def refuse(self, unit: Unit, starts: Sequence[Starts], *, anywhere: bool = False) -> None:
        """Tasks of one job that were to start cannot, where they were; ``anywhere``: nor elsewhere, as things are."""
        ...

    def to_tell(self, most: int, *, but: Collection[str] = (), untold: bool = False) -> list[str]:
        """Jobs that are to be told why they wait: those that never were, else others by turns."""
        ...

    def must_tell(self, unit: Unit) -> bool:
        """Whether nobody was told anything for so long that it is not to wait for a look at which nobody starts."""
        ...

    def untold(self, *, but: Collection[str] = ()) -> bool:
        """Whether any job was not yet to be told why it waits."""
        ...

    def is_old(self, unit: Unit, name: str) -> bool:
        """Whether what a job was told of how it stands is old; from now on it is not."""
        ...

    def was_told(self, name: str) -> bool:
        """Whether a job that waits was told why."""
        ...

    def instead_of(self, name: str) -> str:
        """The job of the same account whose turn it takes by its priority; empty where it takes its own."""
        ...

    def spec(self, unit: Unit, name: str) -> JobSpec:
        """The spec of a job."""
        ...

    def queueing(self, unit: Unit, job_id: str, places: Sequence[Place]) -> Queueing | None:
        """How a job stands among those that wait."""
        ...


class TakesReport(Protocol):
    """What follows from a connector's report of a task on its storage; whoever gave the task is one."""

    def __call__(self, unit: Unit, version: Row, task: Row, report: TaskReport, /) -> None:
        """Take a report that counts. The version is locked (empty where the task has none), the task as it is now."""
        ...
