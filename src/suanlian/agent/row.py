"""What does the agent know of one attempt? Its row, and the rules by which an instruction changes it. Pure."""

from decimal import Decimal
from enum import StrEnum
from typing import Final

from suanlian.model.base import LongText, Name, Utc, Value
from suanlian.model.demand import Checkpoint
from suanlian.model.ids import AttemptId, JobId
from suanlian.model.job import JobState, Outcome, OutputFile
from suanlian.model.probe import Purpose
from suanlian.model.protocol import Instruction, Wish
from suanlian.model.quantity import Resources


class Step(StrEnum):
    """How far an attempt has come here. It only ever goes down this list."""

    RECEIVED = "received"
    STAGING = "staging"
    """Admitted: it counts against its share."""
    SUBMITTING = "submitting"
    """The intent is journalled: it may have been started."""
    STARTED = "started"
    """The driver has it."""
    ENDED = "ended"
    """It ended; its logs and outputs are being sent."""
    CLOSED = "closed"
    """Nothing more happens; its end is to be reported."""
    FORGOTTEN = "forgotten"
    """A tombstone, so that a doubled instruction starts nothing."""


UNSTARTED: Final = frozenset({Step.RECEIVED, Step.STAGING})
HOLDING: Final = frozenset({Step.STAGING, Step.SUBMITTING, Step.STARTED})
"""Steps in which an attempt counts against the capacity of its share."""


class Row(Value):
    """One attempt. ``state`` is what may be reported; ``end`` how it ended, before logs and outputs are through."""

    attempt_id: AttemptId
    token: int
    job_id: JobId
    task_index: int
    entity: Name
    share: Name
    flavor: Name
    granted: Resources
    wish: Wish
    wish_version: int
    probe: Purpose | None = None
    step: Step = Step.RECEIVED
    native_id: str | None = None
    state: JobState = JobState.INITIALIZING
    end: JobState | None = None
    started_at: Utc | None = None
    ended_at: Utc | None = None
    outcome: Outcome = Outcome()
    report_version: int = 1
    answered_version: int = 0
    refused: LongText = ""
    stdout_sent: int = 0
    stderr_sent: int = 0
    outputs_sent: tuple[str, ...] = ()
    usage_sequence: int = 0
    usage_cut: Utc | None = None
    cpu_cut: Decimal = Decimal(0)
    seen_at: Utc | None = None
    evict: bool = False
    abandoned: bool = False
    stop_asked_at: Utc | None = None
    tries: int = 0
    not_before: Utc | None = None
    closed_at: Utc | None = None
    checkpoint: Checkpoint | None = None
    priority: int = 0
    bare: bool = False
    """Nothing has to be brought in for it: laying it out waits for no network."""
    taken_back_at: Utc | None = None
    """By when it is to be gone, because its owner's own work wants the share back; None: it may stay."""
    laden: bool = False
    """It reads datasets: laying them out may take long."""
    bringing: LongText = ""
    """Why it waits before its start: its data is still on its way here."""
    gathered: bool = False
    """Its logs and outputs are at the hub: ``end`` and ``outcome`` hold but for what is still to be set aside."""
    room_for: LongText = ""
    """Why its owner wants it to make room: it is preempted as by the hub's wish."""
    signalled_at: Utc | None = None
    """When its program was told to write its checkpoint and end; kept before the signal, so that grace begins once."""
    signal_sent: bool = False
    suspended: bool = False
    kept_at: Utc | None = None
    kept_mark: str = ""
    kept_fault: LongText = ""
    kept_files: tuple[OutputFile, ...] = ()

    def with_(self, **changes: object) -> "Row":
        """The row with other values in some fields, validated."""
        return Row.model_validate(dict(self) | changes)

    def closed(self, state: JobState, outcome: Outcome, now: Utc) -> "Row":
        """The row at its end, to be reported."""
        return self.with_(
            step=Step.CLOSED, state=state, outcome=outcome, report_version=self.report_version + 1, closed_at=now
        )

    @property
    def preempting(self) -> bool:
        """Whether it is to make room: let its program save, then end it."""
        return self.wish is Wish.PREEMPT or bool(self.room_for)

    @property
    def to_report(self) -> bool:
        """Whether the hub has not yet answered to what is true."""
        return not self.abandoned and self.step is not Step.FORGOTTEN and self.answered_version < self.report_version


def first_row(said: Instruction) -> Row:
    """The row of an attempt that was never heard of.

    Only RUN begins at the beginning. Anything else may concern an attempt that a lost ledger had started,
    so it begins where the driver is asked whether it knows the attempt.
    """
    begun = {Wish.RUN: Step.RECEIVED, Wish.FORGET: Step.FORGOTTEN}.get(said.wish, Step.SUBMITTING)
    if said.fenced:  # a ledger that was lost may have started it, and it may run still
        begun = Step.SUBMITTING
    return Row(
        attempt_id=said.attempt_id,
        token=said.token,
        job_id=said.job_id,
        task_index=said.task_index,
        entity=said.entity,
        share=said.share,
        flavor=said.flavor,
        granted=said.granted,
        wish=said.wish,
        wish_version=said.version,
        probe=said.probe,
        step=begun,
        checkpoint=None if said.spec is None else said.spec.checkpoint,
        priority=0 if said.spec is None else said.spec.priority,
        bare=said.spec is not None and not (said.spec.inputs or said.spec.secrets or said.passed or said.data),
        laden=bool(said.data),
        # what a lost ledger reported is there already: only what is newer is heard
        report_version=(said.reported or 0) + 1,
        answered_version=said.reported or 0,
    )


def _known_there(row: Row, said: Instruction) -> Row:
    if said.reported is None or said.token != row.token or row.abandoned:
        return row
    # a number below what was answered is no news: the answer to a poll may be older than that to a report
    return row.with_(report_version=said.reported + 1) if said.reported > row.report_version else row


_ENDING: Final = frozenset({Wish.CANCEL, Wish.FORGET})
AFTER: Final = {
    Wish.RUN: frozenset({Wish.PAUSE, Wish.RECALL, Wish.PREEMPT}) | _ENDING,
    Wish.PAUSE: frozenset({Wish.RUN, Wish.RECALL, Wish.PREEMPT}) | _ENDING,
    Wish.RECALL: frozenset({Wish.RUN, Wish.PAUSE, Wish.PREEMPT}) | _ENDING,
    Wish.PREEMPT: _ENDING,
    Wish.CANCEL: frozenset({Wish.FORGET}),
    Wish.FORGET: frozenset[Wish](),
}
"""What may be wished after what: nothing is called back from an end, in whatever way it is to end."""


def told(row: Row, said: Instruction) -> Row:
    """The row after an instruction: its wish changes nothing where the token is another's, its version old or too late.

    Reports that the hub has and this ledger does not know of are behind it: what comes next has a higher version.
    """
    row = _known_there(row, said)
    if said.token != row.token or said.version <= row.wish_version or row.step is Step.FORGOTTEN:
        return row
    wish = said.wish if said.wish in AFTER[row.wish] else row.wish
    return row.with_(wish=wish, wish_version=said.version)
