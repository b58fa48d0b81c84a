"""What a conformance run asks of a connector, sees of it, and says of it."""

from suanlian.model.base import Utc, Value
from suanlian.model.ids import AttemptId
from suanlian.model.job import JobState, Outcome
from suanlian.model.usage import UsageSegment


class Seen(Value):
    """What is known of one probe at a moment: as it was reported, logged and accounted for by then."""

    at: Utc
    attempt_id: AttemptId
    state: JobState
    made_at: Utc
    started_at: Utc | None = None
    ended_at: Utc | None = None
    outcome: Outcome = Outcome()
    reports: int = 0
    """The highest version of its reports."""
    stdout: bytes = b""
    segments: tuple[UsageSegment, ...] = ()
