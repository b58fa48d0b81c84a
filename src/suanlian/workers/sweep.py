"""Forgets what was promised for a time only: nonces of old calls, answers under idempotency keys."""

from typing import ClassVar

from suanlian.model.event import EventType
from suanlian.services import sweeping
from suanlian.workers.loop import Worker


class Sweeper(Worker):
    """See the module."""

    name: ClassVar[str] = "sweep"
    follows: ClassVar[frozenset[EventType]] = frozenset()
    every_s: ClassVar[float] = 300.0

    def step(self) -> bool:
        """Sweep once."""
        self.writer.run(self.apply(sweeping.sweep))
        return False
