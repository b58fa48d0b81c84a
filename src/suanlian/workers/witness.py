"""Hands the newest head of the audit log to the hubs above, until each has given its receipt."""

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import ClassVar, Final

from suanlian.model.errors import SuanlianError
from suanlian.model.event import EventType
from suanlian.services import witness
from suanlian.services.ports import Node, Upstream
from suanlian.services.witness import ALARM_AGE, Outgoing
from suanlian.store.unit import Row
from suanlian.store.writer import Writer
from suanlian.workers.loop import Tools, Worker

_LOG: Final = logging.getLogger(__name__)
_ALARMS: Final = frozenset({"audit_forked", "audit_truncated", "audit_broken"})


class Witness(Worker):
    """See the module. Load, send with no transaction open, apply."""

    name: ClassVar[str] = "witness"
    follows: ClassVar[frozenset[EventType]] = frozenset()
    every_s: ClassVar[float] = 10.0

    def __init__(
        self, tools: Tools, writer: Writer, node_now: Callable[[], Node], upstream_of: Callable[[Row], Upstream]
    ) -> None:
        """``upstream_of`` makes the way up from an uplink's row."""
        super().__init__(tools, writer)
        self._node_now = node_now
        self._upstream_of = upstream_of
        self._alarmed: datetime | None = None

    def step(self) -> bool:
        """Send what has no receipt; what fails is sent again at the next step, then the newest head."""
        with self.tools.reading() as unit:
            waiting = witness.outgoing(unit)
        for sent in waiting:
            try:
                self._send(sent)
            except SuanlianError as error:
                _LOG.warning("the head of %d rows was not taken by the hub above: %s", sent.size, error)
                self._alarm(error.code)
        return False

    def _send(self, sent: Outgoing) -> None:
        upstream = self._upstream_of(sent.uplink)
        held = witness.deliver(sent, upstream)
        if held is not None and not witness.is_taken(sent, held):
            # it holds another one than we thought: an answer was lost, or the store was restored
            with self.tools.reading() as unit:
                sent = witness.again(unit, sent, held.signed.head)
            held = witness.deliver(sent, upstream)
        if held is not None and witness.is_taken(sent, held):
            self.writer.run(self.apply(partial(witness.keep_receipt, sent=sent, held=held)))

    def _alarm(self, code: str) -> None:
        now = self.tools.clock()
        if code in _ALARMS and (self._alarmed is None or now - self._alarmed >= ALARM_AGE):
            self._alarmed, node = now, self._node_now()
            self.writer.run(self.apply(lambda unit: witness.alarm(unit, node, code)))
