"""When is a usage segment cut, and what does it say? Segments follow each other without gap or overlap. Pure."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from suanlian.agent.row import Row
from suanlian.drivers.contract import Measured
from suanlian.model.usage import UsageSegment

_STEP: Final = Decimal("0.000001")


def cut(row: Row, measured: Measured, until: datetime, *, final: bool) -> tuple[Row, UsageSegment]:
    """Cut a segment from where the last one ended (or from the start) until ``until``; never backwards.

    ``measured`` counts from the start of the attempt; the segment says what was added. Needs ``row.started_at``.
    """
    if row.started_at is None:
        message = f"attempt {row.attempt_id} has not started: nothing was used"
        raise ValueError(message)
    begin = row.usage_cut or row.started_at
    end = max(begin, until)
    cpu_s = max(Decimal(0), measured.cpu_s - row.cpu_cut).quantize(_STEP)
    segment = UsageSegment(
        attempt_id=row.attempt_id,
        sequence=row.usage_sequence,
        started_at=begin,
        ended_at=end,
        granted=row.granted,
        cpu_s=cpu_s,
        peak_memory_mib=max(0, measured.peak_memory_mib),
        final=final,
    )
    after = row.with_(usage_sequence=row.usage_sequence + 1, usage_cut=end, cpu_cut=row.cpu_cut + cpu_s)
    return after, segment


def is_due(row: Row, now: datetime, segment_s: int) -> bool:
    """Whether a running attempt has gone ``segment_s`` since its last segment."""
    begin = row.usage_cut or row.started_at
    return begin is not None and now - begin >= timedelta(seconds=segment_s)
