"""Forgets what was promised for a time only: nonces, answers under idempotency keys, checkpoints of ended jobs."""

from typing import ClassVar

from suanlian.model.event import EventType
from suanlian.services import checkpoints, sweeping
from suanlian.workers.loop import Worker


class Sweeper(Worker):
    """See the module."""

    name: ClassVar[str] = "sweep"
    follows: ClassVar[frozenset[EventType]] = frozenset({EventType.CHECKPOINT_KEPT})
    every_s: ClassVar[float] = 300.0
    _goes_on = False

    def step(self) -> bool:
        """Sweep once; of checkpoints a little, and again at once while there is more."""
        if not self._goes_on:
            self.writer.run(self.apply(sweeping.sweep))
        self._goes_on = self.writer.run(self.apply(checkpoints.sweep))
        return self._goes_on
