"""Forgets what was promised for a time only: nonces, answers under idempotency keys, checkpoints of ended jobs."""

from typing import ClassVar, Final

from suanlian.model.event import EventType
from suanlian.services import checkpoints, sweeping
from suanlian.workers.loop import Worker

_SETS: Final = 50


class Sweeper(Worker):
    """See the module."""

    name: ClassVar[str] = "sweep"
    follows: ClassVar[frozenset[EventType]] = frozenset()
    every_s: ClassVar[float] = 300.0

    def step(self) -> bool:
        """Sweep once."""
        self.writer.run(self.apply(sweeping.sweep))
        return self.writer.run(self.apply(lambda unit: checkpoints.sweep(unit, _SETS))) == _SETS
