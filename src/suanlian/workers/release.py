"""Lets jobs go that waited for others, once those have ended, and ends those whose condition can no longer be met."""

from datetime import timedelta
from functools import partial
from typing import ClassVar, Final

from suanlian.model.event import EventType
from suanlian.services import depending
from suanlian.store.unit import Unit
from suanlian.store.writer import Writer
from suanlian.workers.loop import Tools, Worker

_JOBS: Final = 50
_LOOK_S: Final = 60.0


class Releaser(Worker):
    """See the module."""

    name: ClassVar[str] = "release"
    follows: ClassVar[frozenset[EventType]] = frozenset({EventType.JOB_ENDED})
    every_s: ClassVar[float] = 2.0

    def __init__(self, tools: Tools, writer: Writer) -> None:
        """As every worker."""
        super().__init__(tools, writer)
        self._look_at = tools.clock()

    def step(self) -> bool:
        """Some of what waits for each job that has ended; again at once while anything followed."""
        with self.tools.reading() as unit:
            owed = depending.owed(unit, _JOBS)
            if not owed and unit.now >= self._look_at:
                owed = depending.overlooked(unit, _JOBS)
                self._look_at = unit.now + timedelta(seconds=_LOOK_S)
        return self.each(owed, self._release)

    def _release(self, job_id: str) -> bool:
        self.writer.run(self.apply(partial(_release, job_id)))
        return True  # there may be more of it, and what ended has others that come after it


def _release(job_id: str, unit: Unit) -> None:
    depending.release(unit, job_id)
