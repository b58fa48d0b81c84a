"""Lets links between storage be measured, each pair of sites once an hour, a few at a time."""

from datetime import datetime
from functools import partial
from typing import ClassVar, Final

from suanlian.model.event import EventType
from suanlian.services import link_probes
from suanlian.services.link_probes import Probe
from suanlian.store.writer import Writer
from suanlian.workers.loop import Tools, Worker

_AT_ONCE: Final = 8


class Links(Worker):
    """See the module."""

    name: ClassVar[str] = "links"
    follows: ClassVar[frozenset[EventType]] = frozenset()
    every_s: ClassVar[float] = 60.0

    def __init__(self, tools: Tools, writer: Writer) -> None:
        """Nothing is asked for yet."""
        super().__init__(tools, writer)
        self._asked: dict[tuple[str, str], datetime] = {}

    def step(self) -> bool:
        """Give up what is over, ask for what is due. One that failed is not asked for again within the hour."""
        now = self.tools.clock()
        self._asked = {pair: at for pair, at in self._asked.items() if at > now - link_probes.EVERY}
        with self.tools.reading() as unit:
            over = link_probes.over(unit)
            due = link_probes.due(unit, self._asked, _AT_ONCE)
        self.each(over, self._give_up)
        self.each(due, self._ask)
        return False

    def _give_up(self, grant_task: str) -> bool:
        return self.writer.run(self.apply(partial(link_probes.give_up, grant_task=grant_task)))

    def _ask(self, probe: Probe) -> bool:
        self._asked[probe.pair] = self.tools.clock()
        return self.writer.run(self.apply(partial(link_probes.ask, probe=probe)))
