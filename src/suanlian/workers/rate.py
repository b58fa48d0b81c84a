"""Turns recorded usage into charges."""

from typing import ClassVar, Final

from suanlian.model.event import EventType
from suanlian.services import usage
from suanlian.workers.loop import Worker

_SEGMENTS: Final = 200


class Rater(Worker):
    """See the module."""

    name: ClassVar[str] = "rate"
    follows: ClassVar[frozenset[EventType]] = frozenset({EventType.USAGE_RECORDED})
    every_s: ClassVar[float] = 10.0

    def step(self) -> bool:
        """Rate some segments; again at once while there are more."""
        with self.tools.reading() as unit:
            if not usage.any_unrated(unit):
                return False
        return self.writer.run(self.apply(lambda unit: usage.rate(unit, _SEGMENTS))) == _SEGMENTS
