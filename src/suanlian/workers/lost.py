"""Notes that the hub hears, marks connectors that it does not hear, and lets their work run elsewhere after a while."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import ClassVar, Final

from suanlian.model.event import EventType
from suanlian.services import losing, progress, usage
from suanlian.services.losing import LostTerms
from suanlian.store.unit import Row, Unit
from suanlian.store.writer import Writer
from suanlian.workers.loop import Tools, Worker

_AT_ONCE: Final = 200


class Loser(Worker):
    """See the module."""

    name: ClassVar[str] = "lost"
    follows: ClassVar[frozenset[EventType]] = frozenset()
    every_s: ClassVar[float] = 2.0

    def __init__(self, tools: Tools, writer: Writer, terms: LostTerms) -> None:
        """``terms``: after how much silence a connector is lost, and for how long its work waits for it."""
        super().__init__(tools, writer)
        self._terms = terms

    def step(self) -> bool:
        """Beat, mark, then decide of what is lost for long enough; whether there is more at once."""
        hearing = self.writer.run(self.apply(lambda unit: losing.hear(unit, self._terms)))
        more = self._each(losing.found_again, losing.stays)
        with self.tools.reading() as unit:
            silent = losing.silent(unit, hearing, self._terms)
            due = losing.due(unit, hearing, self._terms)
        for connector in silent:
            self.writer.run(self.apply(partial(losing.mark, connector=connector)))
        if due is None:
            return more
        more = self._each(partial(_rerunnable, before=due), partial(losing.rerun, before=due)) or more
        return self._each(partial(_endable, before=due), partial(_end, before=due)) or more

    def _each(self, find: Callable[[Unit, int], Sequence[Row]], act: Callable[[Unit, Row], bool]) -> bool:
        """Act on what is found, a unit each; whether so much was done that there may be more."""
        with self.tools.reading() as unit:
            rows = find(unit, _AT_ONCE)
        done = self.each(rows, lambda row: self.writer.run(self.apply(lambda unit: act(unit, row))))
        return done and len(rows) == _AT_ONCE


def _rerunnable(unit: Unit, limit: int, before: datetime) -> Sequence[Row]:
    return losing.to_rerun(unit, before, limit)


def _endable(unit: Unit, limit: int, before: datetime) -> Sequence[Row]:
    return losing.to_end(unit, before, limit)


def _end(unit: Unit, row: Row, before: datetime) -> bool:
    ended = progress.end_unheard(unit, row["attempt_id"], before)
    if ended:
        usage.void(unit, row["attempt_id"])
    return ended
