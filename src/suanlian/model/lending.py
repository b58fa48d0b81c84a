"""What a platform lends to its hub: a job that waits in the platform's own queue, and what becomes of it elsewhere.

The lender's connector speaks for the job: it offers it, confirms it once it surely cannot begin at home, follows it,
and brings its end back. A job is known by its key for ever: the same key again is the same job.
"""

import hashlib
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from suanlian.model.base import LongText, Name, Text, Utc, Value, Wire
from suanlian.model.ids import AttemptId, JobId
from suanlian.model.job import JobSpec, JobState, Outcome, Path
from suanlian.model.protocol import Base64, Call, Envelope, Int64

MAX_LENT: Final = 200
"""So many lent jobs are asked for at once."""
MAX_LENT_BYTES: Final = 512 * 1024
"""So much of a log is answered at once."""
_MARK_CHARS: Final = 24

NativeText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$")]


class LendKey(Value):
    """Which job of which engine: its number alone may come again after a reset, with the submission's time it does not.

    The platform stands not in it, because only the platform's own connectors speak of it.
    """

    cluster: Name
    native_id: NativeText
    submitted_at: Utc

    @property
    def text(self) -> str:
        """The key as one line."""
        return f"{self.cluster}/{self.native_id}/{self.submitted_at.isoformat()}"

    @property
    def mark(self) -> str:
        """A short name of the key, which the job carries at home."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:_MARK_CHARS]


class LendCall(Call):
    """Offer a job that is held at home; nothing is placed yet. Path ``/connector/v1/lend``."""

    key: LendKey
    user: Name = Field(description="whose job it is at home, by a name that the lender makes for the hub")
    spec: JobSpec


class LendConfirmCall(Call):
    """It is held at home and cannot begin there: place it. Path ``/connector/v1/lend-confirm``."""

    key: LendKey


class LentCall(Call):
    """What has become of these. Path ``/connector/v1/lent``."""

    keys: tuple[LendKey, ...] = Field(max_length=MAX_LENT)


class LentCancelCall(Call):
    """End it, or take the offer back. Path ``/connector/v1/lent-cancel``. Whatever has ended is no error."""

    key: LendKey


class LentLogCall(Call):
    """Bytes of an attempt's output from ``offset``. Path ``/connector/v1/lent-log``."""

    key: LendKey
    attempt_id: AttemptId
    stream: Annotated[str, StringConstraints(pattern="^(stdout|stderr)$")]
    offset: Int64


class LentOutputCall(Call):
    """One output file of an attempt. Path ``/connector/v1/lent-output``."""

    key: LendKey
    attempt_id: AttemptId
    path: Path


class LentAttempt(Wire):
    """The newest attempt: where it runs and how far it has come."""

    id: AttemptId
    number: int
    platform: Name
    site: Name
    state: JobState
    started_at: Utc | None = None
    ended_at: Utc | None = None
    outcome: Outcome = Outcome()
    stdout: Int64 = 0
    stderr: Int64 = 0


class LentState(Wire):
    """What is true of a lent job here."""

    key: LendKey
    known: bool = Field(description="it was offered by a connector of this platform")
    confirmed: bool = False
    withdrawn: bool = Field(default=False, description="the offer was taken back: it is never placed")
    job_id: JobId | None = None
    public_id: Text = ""
    state: JobState = JobState.QUEUED
    canceling: bool = False
    stopped: bool = Field(
        default=False, description="it has ended, and no place can be running it still: each has said so, or had none"
    )
    waiting: LongText = ""
    attempt: LentAttempt | None = None


class LendAnswer(Envelope):
    """The one job."""

    job: LentState


class LentAnswer(Envelope):
    """One state a key, in the order of the call."""

    jobs: tuple[LentState, ...]


class LentLogAnswer(Envelope):
    """Bytes from the offset that was asked for, and how long the stream is here."""

    data: Base64
    length: Int64


class LentOutputAnswer(Envelope):
    """The bytes."""

    data: Base64
