"""Tells how often a refusal came again, once its minute is over."""

from typing import ClassVar

from suanlian.model.event import EventType
from suanlian.services.refusals import Refusals
from suanlian.store.writer import Writer
from suanlian.workers.loop import Tools, Worker


class Refused(Worker):
    """See the module. Each process counts its own refusals, so it needs no lease."""

    name: ClassVar[str] = "refused"
    follows: ClassVar[frozenset[EventType]] = frozenset()
    every_s: ClassVar[float] = 60.0

    def __init__(self, tools: Tools, writer: Writer, refusals: Refusals) -> None:
        """``refusals``: those of this process."""
        super().__init__(tools, writer)
        self._refusals = refusals

    def turn(self) -> bool:
        """Without a lease."""
        return self.step()

    def step(self) -> bool:
        """Tell what is over."""
        self._refusals.flush()
        return False

    def stop(self) -> None:
        """End, and tell the rest."""
        super().stop()
        self._refusals.flush(now=True)
