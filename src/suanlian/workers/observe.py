"""Keeps how long runs took, so that the next ones are placed by it."""

from typing import ClassVar

from suanlian.model.event import EventType
from suanlian.services import throughput
from suanlian.workers.loop import Worker


class Observer(Worker):
    """See the module."""

    name: ClassVar[str] = "observe"
    follows: ClassVar[frozenset[EventType]] = frozenset({EventType.ATTEMPT_ENDED})
    every_s: ClassVar[float] = 30.0
    pause_s: ClassVar[float] = 1.0

    def step(self) -> bool:
        """Look at some events; again at once while there are more."""
        with self.tools.reading() as unit:
            if not throughput.any_ended(unit):
                return False
        return self.writer.run(self.apply(throughput.observe))
