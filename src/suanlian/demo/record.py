"""What does ``demo-report.json`` hold? Frozen values; the page and the table show nothing else."""

from collections.abc import Mapping

from suanlian.model.base import Name, Sha256, Utc, Value
from suanlian.model.conformance import Check
from suanlian.model.data import Purpose, ReplicaState, TransferState, VersionState
from suanlian.model.job import JobState
from suanlian.model.measurement import Capability
from suanlian.model.money import Amount, Currency
from suanlian.model.onboarding import Act
from suanlian.model.performance import Architecture
from suanlian.model.platform import Flavor, PlatformState, Share, Site
from suanlian.model.report import Receipt, SupervisionReport


class BothText(Value):
    """One text in both languages."""

    en: str
    zh: str


class OutputRecord(Value):
    """One file that a task brought back; ``size`` in bytes."""

    task_index: int
    path: str
    size: int
    sha256: Sha256


class TaskRecord(Value):
    """One task and its last attempt: where, how long it waited and ran (seconds), how it ended."""

    index: int
    state: JobState
    attempts: int
    platform: Name | None = None
    site: Name | None = None
    flavor: Name | None = None
    architecture: Architecture | None = None
    simulated: bool = False
    waited_s: Amount | None = None
    ran_s: Amount | None = None
    exit_code: int | None = None
    limit: str | None = None
    ended_because: str = ""


class JobRecord(Value):
    """One job. ``platform`` is where most of its tasks ran, ``reason`` why there (or why it waits); cost in CNY."""

    name: Name
    id: str
    public_id: str
    kind: str
    buyer: Name
    state: JobState
    expected_state: JobState
    verified: bool
    failures: tuple[BothText, ...] = ()
    platform: Name | None
    platforms: Mapping[str, int]
    reason: str
    reason_zh: str
    waited_s: Amount | None
    ran_s: Amount
    cost: Amount
    cost_simulated: Amount
    currency: Currency = Currency.CNY
    tasks: tuple[TaskRecord, ...]
    outputs: tuple[OutputRecord, ...]
    checksum: str
    stderr: str = ""


class ShareRecord(Value):
    """A share with the site and flavor that it is of."""

    share: Share
    site: Site
    flavor: Flavor


class StepRecord(Value):
    """One step on the way to being live: by which act, to which state, so many seconds after the application."""

    act: Act
    state: PlatformState
    after_s: Amount
    by_hub: bool


class CheckRecord(Value):
    """One conformance check of the newest run."""

    check: Check
    passed: bool


class JoinRecord(Value):
    """How a platform came in, and all words on what it can do, side by side."""

    steps: tuple[StepRecord, ...]
    checks: tuple[CheckRecord, ...]
    capabilities: tuple[Capability, ...]

    @property
    def passed(self) -> int:
        """How many checks passed."""
        return sum(check.passed for check in self.checks)


class PlatformRecord(Value):
    """One platform as the hub's catalogue showed it."""

    name: Name
    title: str
    title_zh: str
    public_id: str
    joined: JoinRecord
    shares: tuple[ShareRecord, ...]


class HubRecord(Value):
    """One hub."""

    name: Name
    prefix: str
    public_id: str
    above: str = ""


class Resolved(Value):
    """A public identifier that was resolved, and how many hubs were asked, from the first to the one that knew."""

    identifier: str
    asked: tuple[Name, ...]
    name: str
    state: str


class MachineRecord(Value):
    """Where the demo ran: ``cores`` that it may use, and what keeps jobs apart, in the driver's words."""

    cores: int
    architecture: str
    isolation: str
    unisolated: tuple[Name, ...] = ()
    """Platforms whose owner had to set ``allow_unisolated``."""


class AuditRecord(Value):
    """The audit log of the run: ``rows`` hold, and a copy of it in which one field of ``edited_row`` was changed.

    ``rows_above``: so many of them are under a head that the hub above holds. ``found_*``: what the check of the copy
    named.
    """

    rows: int
    rows_above: int
    heads: int
    edited_row: int
    found_row: int
    found_fault: str


class CopyRecord(Value):
    """A copy of the dataset; ``managed`` false: registered where it lay.

    ``egress_cny_per_gb``: what it costs to bring it from there.
    """

    storage: str
    state: ReplicaState
    managed: bool
    verified_at: Utc | None = None
    egress_cny_per_gb: Amount


class TransferRecord(Value):
    """What was brought from where to where, how long after it was asked for it was there, and the price by plan."""

    source: str
    target: str
    purpose: Purpose
    state: TransferState
    bytes: int
    cost_cny: Amount | None = None
    took_s: Amount | None = None


class RuleRecord(Value):
    """A rule for copies (so many, within these regions; none: anywhere), and how many whole copies count for it."""

    copies: int
    regions: tuple[str, ...] = ()
    whole: int


class PlacedRecord(Value):
    """A job that went to its data: where, where it would have gone without (by plan), and why, line by line."""

    job: Name
    platform: str
    without: str
    why: tuple[BothText, ...]


class DataRecord(Value):
    """The dataset of the run; ``digest`` is the SHA-256 of its manifest."""

    dataset: str
    public_id: str
    state: VersionState
    files: int
    bytes: int
    level: int
    digest: str
    copies: tuple[CopyRecord, ...]
    transfers: tuple[TransferRecord, ...]
    rules: tuple[RuleRecord, ...]
    jobs: tuple[PlacedRecord, ...]
    failures: tuple[BothText, ...] = ()


class Picture(Value):
    """A picture that was rendered in tiles and merged: PNG in base64."""

    job: Name
    width: int
    height: int
    png_base64: str


class DemoReport(Value):
    """One run of the demo. ``wall_s``: from start to report, in seconds."""

    version: str
    made_at: Utc
    language: str
    wall_s: Amount
    machine: MachineRecord
    hubs: tuple[HubRecord, ...]
    platforms: tuple[PlatformRecord, ...]
    jobs: tuple[JobRecord, ...]
    supervision: SupervisionReport
    receipts: tuple[Receipt, ...]
    resolved: tuple[Resolved, ...]
    audit: AuditRecord
    data: DataRecord
    pictures: tuple[Picture, ...] = ()
    verified: bool
    failures: tuple[BothText, ...] = ()
    """What is wrong between jobs: architectures that disagree, prices that break put-call parity."""
