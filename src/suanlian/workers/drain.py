"""Tells what runs at drained platforms to make room, each in time to be out when it is to be."""

from functools import partial
from typing import ClassVar, Final

from suanlian.model.event import EventType
from suanlian.services import moving
from suanlian.workers.loop import Worker

_AT_ONCE: Final = 200


class Drainer(Worker):
    """See the module."""

    name: ClassVar[str] = "drain"
    follows: ClassVar[frozenset[EventType]] = frozenset({EventType.PLATFORM_DRAINED})
    every_s: ClassVar[float] = 5.0

    def step(self) -> bool:
        """Tell those whose time has come; whether so many were told that there may be more."""
        with self.tools.reading() as unit:
            rows = moving.due(unit, _AT_ONCE)
        told = self.each(rows, lambda row: self.writer.run(self.apply(partial(moving.make_room, held=row))))
        return told and len(rows) == _AT_ONCE
