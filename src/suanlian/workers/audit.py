"""Chains what the journal holds, in small batches, and signs a head of it every so often."""

import logging
from collections.abc import Callable
from functools import partial
from typing import ClassVar, Final

from suanlian.model.event import EventType
from suanlian.services import audit
from suanlian.services.ports import Node
from suanlian.store.writer import Writer
from suanlian.workers.loop import Tools, Worker

_LOG: Final = logging.getLogger(__name__)
_ROWS: Final = 500
_LATE_S: Final = 60.0


class Auditor(Worker):
    """See the module. Hashes are worked out while no unit of work is open."""

    name: ClassVar[str] = "audit"
    follows: ClassVar[frozenset[EventType]] = frozenset()
    every_s: ClassVar[float] = 2.0

    def __init__(self, tools: Tools, writer: Writer, node_now: Callable[[], Node]) -> None:
        """``node_now`` says who the hub is, and with which key it signs now."""
        super().__init__(tools, writer)
        self._node_now = node_now
        self._told_late = False

    def step(self) -> bool:
        """Chain some rows; again at once while there are more, else sign a head when one is due."""
        with self.tools.reading() as unit:
            found = audit.next_links(unit, _ROWS)
        if found.links:
            self.writer.run(self.apply(partial(audit.extend, extension=found)))
        more = len(found.links) == _ROWS
        if not more:
            self._head()
        return more

    def _head(self) -> None:
        node = self._node_now()
        with self.tools.reading() as unit:
            self._tell_late(audit.lag(unit)[1])
            signed = audit.next_head(unit, node)
        if signed is not None:
            self.writer.run(self.apply(lambda unit: audit.keep_head(unit, node, signed)))

    def _tell_late(self, oldest_s: float) -> None:
        if oldest_s > _LATE_S and not self._told_late:
            _LOG.warning("the audit log is behind: its oldest row that no head covers is %.0f s old", oldest_s)
        self._told_late = oldest_s > _LATE_S
