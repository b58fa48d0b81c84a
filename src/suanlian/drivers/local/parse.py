"""The local driver's files turned into types. Pure: text in, values out."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from suanlian.drivers.contract import Measured, Observation
from suanlian.model.job import JobState


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def measured(content: Mapping[str, Any] | None) -> Measured:
    """CPU seconds and peak MiB from an exit record or a running keeper's last note; zeros when there is none."""
    if content is None:
        return Measured()
    return Measured(cpu_s=Decimal(content["cpu_s"]), peak_memory_mib=content["peak_memory_mib"])


def ended(content: Mapping[str, Any]) -> Observation:
    """What an exit record says. Raises KeyError or ValueError when it is none of ours."""
    return Observation(
        state=JobState(content["state"]),
        started_at=_moment(content["started_at"]),
        ended_at=_moment(content["ended_at"]),
        exit_code=content["exit_code"],
        reason=content["reason"],
        limit=content["limit"],
        measured=measured(content),
    )


def running(
    started: Mapping[str, Any] | None, live: Mapping[str, Any] | None, *, paused: bool = False, ending: bool = False
) -> Observation:
    """What a held job is doing: initializing until the mark ``started`` is there."""
    if started is None:
        return Observation(state=JobState.INITIALIZING)
    moment = _moment(started["started_at"])
    state = JobState.PAUSED if paused and not ending else JobState.RUNNING
    return Observation(state=state, started_at=moment, measured=measured(live), ending=ending)


def lost(started: Mapping[str, Any] | None, live: Mapping[str, Any] | None, reason: str) -> Observation:
    """What is known of a job that nobody watches and that left no exit record."""
    if started is None:
        return Observation(state=JobState.QUEUED, reason=reason, lost=True)
    moment = _moment(started["started_at"])
    return Observation(state=JobState.RUNNING, started_at=moment, reason=reason, measured=measured(live), lost=True)
