"""Keeps rules for copies true, deletes what is over, and does what follows from the state of each copy.

Level-triggered: copies that leave get a task by which they are removed, doubted ones a task by which they are read.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Final

from suanlian.model.data import Purpose
from suanlian.model.errors import SuanlianError
from suanlian.model.event import EventType
from suanlian.model.levels import LevelRules
from suanlian.model.transfer_plan import StoragePlace
from suanlian.services import copyrules, datasets, replicas, transfers
from suanlian.services.copyrules import Due
from suanlian.services.transfers import Wanted
from suanlian.store.unit import Unit
from suanlian.store.writer import Writer
from suanlian.workers.loop import Tools, Worker

_AT_ONCE: Final = 500


class Copies(Worker):
    """See the module."""

    name: ClassVar[str] = "copies"
    follows: ClassVar[frozenset[EventType]] = frozenset(
        {
            EventType.REPLICA_MOVED,
            EventType.VERSION_SEALED,
            EventType.VERSION_DELETED,
            EventType.COPY_RULE_MADE,
            EventType.COPY_RULE_ENDED,
            EventType.DATA_MOVED,
            EventType.DATA_GRANT_ENDED,
            EventType.ACCOUNT_ERASED,
        }
    )
    every_s: ClassVar[float] = 30.0

    def __init__(self, tools: Tools, writer: Writer, levels: LevelRules) -> None:
        """``levels``: which data may lie where."""
        super().__init__(tools, writer)
        self._levels = levels

    def step(self) -> bool:
        """End what is over, follow states, keep rules; again at once where anything was done."""
        with self.tools.reading() as unit:
            over, ended = datasets.due(unit, _AT_ONCE), copyrules.over(unit)
        more = self.each(over, self._expire)
        more = self.each(ended, self._end) or more
        with self.tools.reading() as unit:
            moved = replicas.due(unit, _AT_ONCE)
            due = copyrules.due(unit, self._levels)
        more = self.each(moved, self._follow) or more
        more = self.each(due, self._keep) or more
        self.writer.run(self.apply(_forget))
        return more

    def _expire(self, version_id: str) -> bool:
        return self.writer.run(self.apply(partial(datasets.expire, version_id=version_id)))

    def _end(self, rule_id: str) -> bool:
        return self.writer.run(self.apply(partial(copyrules.end_over, rule_id=rule_id)))

    def _follow(self, found: tuple[str, str]) -> bool:
        version_id, replica_id = found
        work = partial(replicas.follow, version_id=version_id, replica_id=replica_id)
        return self.writer.run(self.apply(work))

    def _keep(self, due: Due) -> bool:
        self.renew()
        self.writer.run(self.apply(partial(copyrules.tell, due_=due)))
        asked = [self._bring(due.version_id, rule_id, place) for rule_id, place in due.bring]
        left = [self._spare(due.version_id, replica_id) for replica_id in due.spare]
        return any(asked) or any(left)

    def _bring(self, version_id: str, rule_id: str, place: StoragePlace) -> bool:
        def work(unit: Unit) -> bool:
            wanted = Wanted(Purpose.RULE, rule_id)
            return transfers.ask(unit, version_id, place, wanted, self._levels) is not None

        return self._try(work)

    def _spare(self, version_id: str, replica_id: str) -> bool:
        def work(unit: Unit) -> bool:
            replicas.leave(unit, version_id, replica_id, why="no rule needs it")
            return True

        return self._try(work)

    def _try(self, work: Callable[[Unit], bool]) -> bool:
        """Do it where it may be done; what is refused now is looked at again."""
        try:
            return self.writer.run(self.apply(work))
        except SuanlianError:
            return False


def _forget(unit: Unit) -> None:
    replicas.sweep(unit, _AT_ONCE)
    datasets.forget_files(unit, _AT_ONCE)
