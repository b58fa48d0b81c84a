"""May this usage segment be recorded, and do the recorded ones cover what ran?

The law: segments of an attempt are unique by sequence, disjoint, and together cover ``[started, ended)``. A segment
that is delivered twice changes nothing; in which order segments arrive does not matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from suanlian.model.protocol import Verdict
from suanlian.model.quantity import Resources
from suanlian.model.usage import UsageSegment


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the hub knows of the attempt. ``tolerance_s`` is how far the connector's clock may be off, in seconds."""

    granted: Resources
    attempt_started: datetime | None
    attempt_ended: datetime | None
    now: datetime
    tolerance_s: int = 30

    @property
    def tolerance(self) -> timedelta:
        """The tolerance as a length of time."""
        return timedelta(seconds=self.tolerance_s)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What becomes of a segment: taken, known or refused; ``reason`` says why it is refused and what would be right."""

    verdict: Verdict
    reason: str = ""


def accept(new: UsageSegment, recorded: Sequence[UsageSegment], bounds: Bounds) -> Acceptance:
    """Decide on one segment, given those recorded before (rows of other attempts are passed over).

    Whoever takes it records it before asking again: two that overlap are each acceptable alone.
    """
    of_attempt = [segment for segment in recorded if segment.attempt_id == new.attempt_id]
    for segment in of_attempt:
        if segment.sequence == new.sequence:
            return _again(new, segment)
    reason = _out_of_bounds(new, bounds) or _overlapping(new, of_attempt)
    return Acceptance(Verdict.REFUSED, reason) if reason else Acceptance(Verdict.TAKEN)


def _again(new: UsageSegment, recorded: UsageSegment) -> Acceptance:
    if new == recorded:
        return Acceptance(Verdict.KNOWN)
    return Acceptance(
        Verdict.REFUSED,
        f"sequence {new.sequence} was recorded with other content; a segment is never edited: send a correction",
    )


def _out_of_bounds(new: UsageSegment, bounds: Bounds) -> str:
    if new.granted != bounds.granted:
        return "granted differs from what the attempt was given"
    if new.ended_at > bounds.now + bounds.tolerance:
        return (
            f"it ends at {_shown(new.ended_at)}, after the hub's now, {_shown(bounds.now)}: set the connector's clock"
        )
    if bounds.attempt_started is not None and new.started_at < bounds.attempt_started - bounds.tolerance:
        return f"it starts at {_shown(new.started_at)}, before the attempt did, {_shown(bounds.attempt_started)}"
    if bounds.attempt_ended is not None and new.ended_at > bounds.attempt_ended + bounds.tolerance:
        return f"it ends at {_shown(new.ended_at)}, after the attempt did, {_shown(bounds.attempt_ended)}"
    return ""


def _overlapping(new: UsageSegment, recorded: Sequence[UsageSegment]) -> str:
    for segment in recorded:
        # an empty segment holds no moment, so it overlaps with nothing
        if max(new.started_at, segment.started_at) < min(new.ended_at, segment.ended_at):
            return f"it overlaps with sequence {segment.sequence}, which ends at {_shown(segment.ended_at)}"
    return ""


def _shown(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def covers(segments: Sequence[UsageSegment], started: datetime, ended: datetime) -> bool:
    """Whether the segments of one attempt are disjoint and cover ``[started, ended)``, all of it and nothing else."""
    filled = sorted((s.started_at, s.ended_at) for s in segments if s.started_at < s.ended_at)
    if not filled:
        return started >= ended
    whole = filled[0][0] == started and filled[-1][1] == ended
    return whole and all(before[1] == after[0] for before, after in pairwise(filled))
