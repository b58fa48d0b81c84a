"""The connector protocol, version 1, as values (the contract in words: docs/reference/connector-protocol.md).

The connector dials out. It polls for what should be true since revision R, reports what is true, and repeats. All
calls are POST and signed by the connector's key; all answers are signed by the hub's key, pinned at enrolment, bound
to the call by its nonce and, in ``Envelope``, to the connector and an expiry. 64-bit integers and decimals are texts.
"""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, JsonValue, PlainSerializer, StringConstraints, field_serializer

from suanlian.model.base import LongText, Name, Sha256, Text, Utc, Wire
from suanlian.model.data import LocalData
from suanlian.model.demand import PassedObject
from suanlian.model.ids import AttemptId, ConnectorId, HubId, JobId, PlatformId
from suanlian.model.job import JobSpec, JobState, Outcome, OutputFile, Path
from suanlian.model.levels import Footing
from suanlian.model.lineage import Chain, KeyText
from suanlian.model.load import Loads
from suanlian.model.money import Rate
from suanlian.model.offer import NewOffer
from suanlian.model.owner import JoinLevel
from suanlian.model.platform import Downtime, Drain, Inventory
from suanlian.model.probe import ProbeCap, ProbeTask, Purpose
from suanlian.model.quantity import Resources
from suanlian.model.secret import MAX_SEALED_CHARS
from suanlian.model.usage import UsageBatch

PROTOCOL_VERSION: Final = 1
MAX_WISHES: Final = 200
"""A poll brings at most this many instructions; ``more`` tells that others wait."""
MAX_WISHED_BYTES: Final = 4 * 1024 * 1024
"""What an answer tells of specs and files has at most this many bytes, unless one instruction alone has more."""
MAX_REPORTS: Final = 200
MAX_LOG_BYTES: Final = 256 * 1024
MAX_POLL_S: Final = 30
MAX_PIECE_BYTES: Final = 4 * 1024 * 1024
"""A checkpoint travels in pieces of so many bytes at most."""
MAX_CHECKPOINT_BYTES: Final = 1024 * 1024 * 1024
MAX_CHECKPOINT_FILES: Final = 1024
KNOWS: Final = ("data", "gone", "passed", "pause", "preempt", "specs")
"""What a connector of this release understands beyond the first: it is told nothing that it does not know."""

Int64 = Annotated[int, Field(ge=0, le=2**63 - 1), PlainSerializer(str, str, when_used="json")]
"""A 64-bit integer; text on the wire, because JSON readers lose digits beyond 2^53."""

Base64 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]*={0,2}$")]


class Wish(StrEnum):
    """What the hub wants to be true of an attempt."""

    RUN = "run"
    PAUSE = "pause"
    """Stop it where it is; RUN lets it go on."""
    PREEMPT = "preempt"
    """Let it write its checkpoint, end it, and report it PREEMPTED."""
    CANCEL = "cancel"
    RECALL = "recall"
    """Give it back if it has not started; else run on."""
    FORGET = "forget"
    """Its end is recorded: its traces may go."""


WITH_SPEC: Final = frozenset({Wish.RUN, Wish.PAUSE, Wish.PREEMPT})
"""Wishes that come with the job: a connector may never have heard of the attempt before."""


class Call(Wire):
    """What every call carries."""

    protocol: int = PROTOCOL_VERSION


class Envelope(Wire):
    """What every answer carries: for whom it is meant, and until when."""

    protocol: int = PROTOCOL_VERSION
    connector_id: ConnectorId
    expires_at: Utc
    hub_key: Text = Field(default="", description="the name of the hub's key now: another one than pinned is followed")


class EnrolCall(Call):
    """Enter with a single-use join token; signed by the key that is being enrolled. Path ``/connector/v1/enrol``."""

    token: Annotated[str, StringConstraints(max_length=200)]
    name: Name
    public_key: Text
    url: Text = Field(default="", description="where a hub below is reached, for referrals")
    hub_id: Text = Field(default="", description="who a hub below is")
    recovery_key: KeyText | None = Field(default=None, description="a hub below: the key that stands above its own")


class EnrolAnswer(Envelope):
    """The connector's identity here; ``prefix`` and ``chain`` for a hub below."""

    platform_id: PlatformId
    platform: Name
    hub_id: HubId
    hub_name: Name
    hub_public_key: Text
    hub_recovery_key: KeyText | None = None
    hub_key_serial: int = 0
    prefix: Text = ""
    chain: Chain = Chain()


class PollCall(Call):
    """Ask what should be true since ``revision`` (0: all), waiting up to ``wait_s``. Path ``/connector/v1/poll``."""

    revision: Int64
    wait_s: Annotated[int, Field(ge=0, le=MAX_POLL_S)] = 0
    knows: tuple[Name, ...] = Field(
        default=(), max_length=32, description="what it understands beyond the first version: see ``KNOWS``"
    )


class Instruction(Wire):
    """What should be true of one attempt. A second delivery changes nothing."""

    attempt_id: AttemptId
    token: Int64
    version: Int64 = Field(description="rises with each change of the wish")
    wish: Wish
    job_id: JobId
    public_id: str = ""
    task_index: int
    share: Name
    flavor: Name
    variant: int
    granted: Resources
    entity: Name = Field(description="whose job it is; the connector re-checks the owner's policy")
    probe: Purpose | None = Field(default=None, description="the hub's own job: it takes no more than the owner's cap")
    rates: tuple[Rate, ...] = Field(default=(), max_length=4, description="what it is sold at; none: without a price")
    relied: Footing | None = Field(default=None, description="what the hub knew of the site; for data levels")
    task: ProbeTask | None = Field(default=None, description="what a probe does; the connector writes the job of it")
    spec: JobSpec | None = Field(default=None, description="present when the wish is run, pause or preempt")
    passed: tuple[PassedObject, ...] = Field(
        default=(), max_length=4096, description="laid out besides the inputs: a checkpoint, outputs of other jobs"
    )
    data: tuple[LocalData, ...] = Field(
        default=(), max_length=32, description="laid out of the connector's own storage"
    )
    number: int = Field(default=1, ge=1, description="which try of the task it is")
    restored: bool = Field(default=False, description="``passed`` holds a checkpoint of an earlier try")
    fenced: bool = Field(default=False, description="another attempt took its place: end it, and tell that it is gone")
    reported: Int64 | None = Field(default=None, description="the version of the last report that the hub has of it")

    @field_serializer("spec", when_used="json")
    def _as_written(self, spec: JobSpec | None) -> dict[str, JsonValue] | None:
        """Without what stands at its default: a connector of an earlier release knows no newer fields."""
        return None if spec is None else spec.model_dump(mode="json", exclude_defaults=True)


class SpecOfJob(Wire):
    """What several instructions of an answer have in common."""

    job_id: JobId
    spec: JobSpec

    @field_serializer("spec", when_used="json")
    def _as_written(self, spec: JobSpec) -> dict[str, JsonValue]:
        return spec.model_dump(mode="json", exclude_defaults=True)


class PollAnswer(Envelope):
    """Instructions in the order of revisions; ask next with ``revision``."""

    revision: Int64
    more: bool = False
    instructions: tuple[Instruction, ...]
    specs: tuple[SpecOfJob, ...] = Field(
        default=(),
        max_length=MAX_WISHES,
        description="of instructions that come with a job and bring none, to who knows `specs`",
    )

    def whole(self) -> "PollAnswer":
        """The answer with each spec on each instruction that means it."""
        if not self.specs:
            return self
        known = {one.job_id: one.spec for one in self.specs}
        told = tuple(
            said.model_copy(update={"spec": known.get(said.job_id)})
            if said.spec is None and said.wish in WITH_SPEC
            else said
            for said in self.instructions
        )
        return self.model_copy(update={"instructions": told, "specs": ()})


class AttemptReport(Wire):
    """What is true of one attempt. ``version`` rises with each report of that attempt; an older one is ignored."""

    attempt_id: AttemptId
    token: Int64
    version: Int64
    state: JobState
    started_at: Utc | None = None
    ended_at: Utc | None = None
    outcome: Outcome = Outcome()


class ReportCall(Call):
    """What is true here. Path ``/connector/v1/report``."""

    accepting: bool = True
    level: JoinLevel = Field(default=JoinLevel.OBSERVE, description="who tells none observes")
    attempts: tuple[AttemptReport, ...] = Field(default=(), max_length=MAX_REPORTS)
    loads: Loads = Field(default=(), description="counts of its shares; one that cannot be read is passed over")
    drain: Drain | None = Field(default=None, description="its owner empties the platform, or will")
    gone: tuple[AttemptId, ...] = Field(
        default=(), max_length=MAX_REPORTS, description="of fenced attempts: nothing of them is left here"
    )


class Verdict(StrEnum):
    """What became of one reported item."""

    TAKEN = "taken"
    KNOWN = "known"
    """It was here before; nothing changed."""
    STALE = "stale"
    """Another attempt or token is current: stop it and forget it."""
    REFUSED = "refused"
    """It contradicts what is known; ``reason`` says how."""


class ItemAnswer(Wire):
    """The answer to one item."""

    attempt_id: AttemptId
    verdict: Verdict
    reason: LongText = ""


class ReportAnswer(Envelope):
    """One answer an attempt, in the order of the call."""

    attempts: tuple[ItemAnswer, ...]


class UsageCall(Call):
    """A signed batch of usage segments. Path ``/connector/v1/usage``. The same batch twice changes nothing."""

    batch: UsageBatch
    signature: Annotated[str, StringConstraints(max_length=1000)]


class UsageAnswer(Envelope):
    """One answer a segment, in the order of the call."""

    segments: tuple[ItemAnswer, ...]


class InventoryCall(Call):
    """All that the platform publishes. Path ``/connector/v1/inventory``. An unchanged part makes no new version."""

    inventory: Inventory
    offers: tuple[NewOffer, ...] = Field(default=(), max_length=4000)
    sealing_key: Text = Field(default="", description="x25519:..., to which the hub seals the secrets of jobs")
    level: JoinLevel = Field(default=JoinLevel.OBSERVE, description="who tells none observes")
    partners: tuple[Name, ...] = Field(default=(), max_length=400, description="whose jobs run at level run, too")
    probes: ProbeCap = Field(default=ProbeCap(), description="the owner's cap on the hub's own jobs")
    downtimes: tuple[Downtime, ...] = Field(default=(), max_length=400, description="when it is to be empty")
    host: Annotated[str, StringConstraints(pattern="^[0-9a-f]{0,64}$")] = Field(
        default="", description="which machine, as a digest that means nothing elsewhere: probes of one take turns"
    )


class InventoryAnswer(Envelope):
    """How many versions it made."""

    changed: int


class LogCall(Call):
    """Bytes of an attempt's output from ``offset``. Path ``/connector/v1/logs``. Repeating is harmless."""

    attempt_id: AttemptId
    token: Int64
    stream: Annotated[str, StringConstraints(pattern="^(stdout|stderr)$")]
    offset: Int64
    data: Base64


class LogAnswer(Envelope):
    """The length that the hub has: send next from there."""

    length: Int64


class OutputCall(Call):
    """One output file of an attempt. Path ``/connector/v1/outputs``. Checked against its digest."""

    attempt_id: AttemptId
    token: Int64
    path: Path
    sha256: Sha256
    data: Base64


class CheckpointCall(Call):
    """A piece of a checkpoint: of this set, this file, from this byte. Path ``/connector/v1/checkpoint``."""

    attempt_id: AttemptId
    token: Int64
    set_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{36}$")]
    path: Path
    start: Int64
    data: Base64


class CheckpointWholeCall(Call):
    """All of a set is sent: it counts from now on. Path ``/connector/v1/checkpoint-whole``."""

    attempt_id: AttemptId
    token: Int64
    set_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{36}$")]
    files: tuple[OutputFile, ...] = Field(min_length=1, max_length=MAX_CHECKPOINT_FILES)


class ObjectCall(Call):
    """Ask for an uploaded input of an attempt's job, or what it is handed. Path ``/connector/v1/objects``."""

    attempt_id: AttemptId
    token: Int64
    sha256: Sha256
    start: Int64 = Field(default=0, description="from this byte on")
    length: int = Field(default=0, ge=0, le=MAX_PIECE_BYTES, description="so many bytes at most; 0: all of it")


class SecretsCall(Call):
    """Ask for the secrets of an attempt's job, when its inputs are laid out. Path ``/connector/v1/secrets``."""

    attempt_id: AttemptId
    token: Int64


class SecretsAnswer(Envelope):
    """The secrets by name, sealed to the key that this connector published last; see ``SecretContents``."""

    sealed: Annotated[str, StringConstraints(max_length=MAX_SEALED_CHARS)]


class ObjectAnswer(Envelope):
    """The bytes."""

    data: Base64


class DoneAnswer(Envelope):
    """Done, or done before."""
