"""Ends what can no longer end in time, and what has not."""

from functools import partial
from typing import ClassVar, Final

from suanlian.model.event import EventType
from suanlian.services import jobs
from suanlian.store.unit import Unit
from suanlian.workers.loop import Worker

_JOBS: Final = 50


class Late(Worker):
    """See the module."""

    name: ClassVar[str] = "late"
    follows: ClassVar[frozenset[EventType]] = frozenset()
    every_s: ClassVar[float] = 1.0

    def step(self) -> bool:
        """Some of them; again at once while there are more."""
        with self.tools.reading() as unit:
            found = jobs.late(unit, _JOBS)
        return self.each(found, self._end) and len(found) == _JOBS

    def _end(self, job_id: str) -> bool:
        self.writer.run(self.apply(partial(_end, job_id)))
        return True


def _end(job_id: str, unit: Unit) -> None:
    jobs.end_late(unit, job_id)
