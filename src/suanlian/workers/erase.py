"""Erases persons who asked for it: ends what they run, waits until it has ended, takes away what is left."""

from functools import partial
from typing import ClassVar

from suanlian.model.event import EventType
from suanlian.services import erasing, jobs
from suanlian.store.unit import Row, Unit
from suanlian.workers.loop import Worker


class Eraser(Worker):
    """See the module."""

    name: ClassVar[str] = "erase"
    follows: ClassVar[frozenset[EventType]] = frozenset({EventType.ACCOUNT_ERASING, EventType.JOB_ENDED})
    every_s: ClassVar[float] = 60.0

    def step(self) -> bool:
        """A part of each erasure that is not done."""
        with self.tools.reading() as unit:
            rows = erasing.pending(unit)
        # each gets its turn, so that one who runs much keeps nobody waiting
        turns = [self.writer.run(self.apply(partial(_go_on, row))) for row in rows]
        return any(turns)


def _go_on(row: Row, unit: Unit) -> bool:
    open_jobs = erasing.to_cancel(unit, row)
    for job_id in open_jobs:
        jobs.cancel(unit, erasing.as_caller(row), job_id)
    return bool(open_jobs) or erasing.go_on(unit, row)
