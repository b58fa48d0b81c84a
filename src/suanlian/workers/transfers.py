"""Gives transfers a way, and takes back those of which nothing is heard or that nobody wants any more.

Level-triggered: what is due stands in rows. All that waits is planned together with what goes, outside of any unit of
work, when something new waits, when something goes far slower than planned, and every five minutes.
"""

from datetime import timedelta
from functools import partial
from typing import ClassVar, Final

from suanlian.model.event import EventType
from suanlian.model.levels import LevelRules
from suanlian.model.transfer_plan import Changed, NoWay, Planned
from suanlian.services import bringing, links, moved, transfers, uploads, ways
from suanlian.services.ways import Answers
from suanlian.store.writer import Writer
from suanlian.workers.loop import Tools, Worker

_AT_ONCE: Final = 1_000
AGAIN: Final = timedelta(minutes=5)
"""So often all is planned anew."""
SLOWLY: Final = timedelta(minutes=1)
"""So often at most because something is slow."""


class Transfers(Worker):
    """See the module."""

    name: ClassVar[str] = "transfers"
    follows: ClassVar[frozenset[EventType]] = frozenset(
        {EventType.DATA_ASKED, EventType.DATA_MOVED, EventType.REPLICA_MOVED, EventType.INVENTORY_CHANGED}
    )
    every_s: ClassVar[float] = 5.0

    def __init__(self, tools: Tools, writer: Writer, levels: LevelRules) -> None:
        """``levels``: which data may lie where."""
        super().__init__(tools, writer)
        self._levels = levels
        self._planned_at = tools.clock() - AGAIN

    def step(self) -> bool:
        """End what nobody wants, set back what nobody hears of, plan what waits."""
        with self.tools.reading() as unit:
            unwanted = transfers.unwanted(unit, _AT_ONCE)
            cut_off = ways.cut_off(unit, _AT_ONCE)
            unheard = moved.unheard(unit, _AT_ONCE)
            over = uploads.over(unit, _AT_ONCE)
            stranded = bringing.stranded(unit)
        more = self.each(unwanted, self._give_up)
        more = self.each(cut_off, self._plan_again) or more
        more = self.each(unheard, self._set_back) or more
        self.each(over, self._close)
        self.each(stranded, self._give_back)
        answers = self._plan()
        more = self.each(answers.changed, self._change) or more
        return self.each(answers.decided, self._apply) or more

    def _plan(self) -> Answers:
        """What is decided now. While nothing is new only those that have no way are looked at again."""
        now = self.tools.clock()
        with self.tools.reading() as unit:
            waiting = ways.waiting(unit, self._levels, _AT_ONCE)
            since = now - self._planned_at
            going = ways.going(unit, self._levels, _AT_ONCE) if waiting or since >= SLOWLY else []
        none, fresh = ways.unplanned(waiting, now)
        slow = since >= SLOWLY and any(one.transfer.slow is not None for one in going)
        if not slow and since < AGAIN and not fresh:
            return none
        if not waiting and not going:
            return Answers([], [])
        self._planned_at = now
        with self.tools.reading() as unit:
            known = links.for_plan(unit)
        return ways.plan(waiting, going, known, now)

    def _give_up(self, transfer_id: str) -> bool:
        return self.writer.run(self.apply(partial(transfers.give_up, transfer_id=transfer_id)))

    def _plan_again(self, transfer_id: str) -> bool:
        return self.writer.run(self.apply(partial(ways.plan_again, transfer_id=transfer_id)))

    def _set_back(self, found: tuple[str, bool]) -> bool:
        transfer_id, counts = found
        return self.writer.run(self.apply(partial(moved.set_back, transfer_id=transfer_id, counts=counts)))

    def _close(self, task_id: str) -> bool:
        return self.writer.run(self.apply(partial(uploads.close, task_id=task_id)))

    def _give_back(self, attempt_id: str) -> bool:
        return self.writer.run(self.apply(partial(bringing.give_back, attempt_id=attempt_id)))

    def _apply(self, decided: Planned | NoWay) -> bool:
        self.renew()
        return self.writer.run(self.apply(partial(ways.apply, decided=decided)))

    def _change(self, changed: Changed) -> bool:
        self.renew()
        if not changed.anew:
            self.writer.run(self.apply(partial(ways.repace, changed=changed)))
            return False
        anew = partial(moved.begin_anew, transfer_id=changed.transfer_id)
        return self.writer.run(self.apply(partial(anew, source_replica_id=changed.source_replica_id)))
