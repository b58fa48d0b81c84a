"""Moves platforms on by what the hub itself saw: a connector came, conformance was passed, figures were verified."""

from functools import partial
from typing import ClassVar

from suanlian.model.event import EventType
from suanlian.services import gates
from suanlian.workers.loop import Worker


class Onboarder(Worker):
    """See the module."""

    name: ClassVar[str] = "onboard"
    follows: ClassVar[frozenset[EventType]] = frozenset(
        {
            EventType.CONNECTOR_ENROLLED,
            EventType.CONNECTOR_LEVEL,
            EventType.INVENTORY_CHANGED,
            EventType.PLATFORM_MOVED,
            EventType.PLATFORM_LIVE,
            EventType.PLATFORM_SUSPENDED,
            EventType.VERIFICATION_ENDED,
        }
    )
    every_s: ClassVar[float] = 2.0

    def step(self) -> bool:
        """Make every step that is due; again at once while one leads to the next."""
        with self.tools.reading() as unit:
            found, over = gates.due(unit), gates.any_lapsed(unit)
        if over:
            self.writer.run(self.apply(gates.lapse))
        done = [self.writer.run(self.apply(partial(gates.apply, wanted=one))) for one in found]
        return any(done)
