"""Gives transfers a way, and takes back those of which nothing is heard or that nobody wants any more.

Level-triggered: what is due stands in rows. Who plans is handed in; it is asked outside of any unit of work.
"""

from functools import partial
from typing import ClassVar, Final

from suanlian.model.event import EventType
from suanlian.model.levels import LevelRules
from suanlian.model.transfer_plan import NoWay, Planned, TransferPlanner
from suanlian.services import bringing, moved, transfers, uploads, ways
from suanlian.store.writer import Writer
from suanlian.workers.loop import Tools, Worker

_AT_ONCE: Final = 1_000


class Transfers(Worker):
    """See the module."""

    name: ClassVar[str] = "transfers"
    follows: ClassVar[frozenset[EventType]] = frozenset(
        {EventType.DATA_ASKED, EventType.DATA_MOVED, EventType.REPLICA_MOVED, EventType.INVENTORY_CHANGED}
    )
    every_s: ClassVar[float] = 5.0

    def __init__(self, tools: Tools, writer: Writer, levels: LevelRules, planner: TransferPlanner) -> None:
        """``levels``: which data may lie where; ``planner``: who decides of ways."""
        super().__init__(tools, writer)
        self._levels = levels
        self._planner = planner

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
        with self.tools.reading() as unit:
            waiting = ways.waiting(unit, self._levels, _AT_ONCE)
        if not waiting:
            return more
        return self.each(self._planner(waiting, self.tools.clock()), self._apply) or more

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
