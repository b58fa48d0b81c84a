"""Sends supervision reports up until each has its receipt."""

import logging
from collections.abc import Callable
from typing import ClassVar, Final

from suanlian.model.errors import SuanlianError
from suanlian.model.event import EventType
from suanlian.services import supervision
from suanlian.services.ports import Upstream
from suanlian.store.unit import Row, Unit
from suanlian.store.writer import Writer
from suanlian.workers.loop import Tools, Worker

_LOG: Final = logging.getLogger(__name__)


class Uplink(Worker):
    """See the module. Load, send with no transaction open, apply."""

    name: ClassVar[str] = "uplink"
    follows: ClassVar[frozenset[EventType]] = frozenset({EventType.REPORT_MADE})
    every_s: ClassVar[float] = 30.0

    def __init__(self, tools: Tools, writer: Writer, upstream_of: Callable[[Row], Upstream]) -> None:
        """``upstream_of`` makes the way up from an uplink's row."""
        super().__init__(tools, writer)
        self._upstream_of = upstream_of

    def step(self) -> bool:
        """Send what has no receipt, in order; one that fails is tried again at the next step."""
        with self.tools.reading() as unit:
            rows = supervision.unsent(unit)
        for row in rows:
            try:
                receipt, signature = supervision.deliver(row, self._upstream_of(row))
            except SuanlianError as error:
                _LOG.warning("report %s was not taken by the hub above: %s", row["id"], error)
                return False
            self.writer.run(self.apply(_keeping(row["id"], receipt, signature)))
        return False


def _keeping(report_id: str, receipt: str, signature: str) -> Callable[[Unit], None]:
    return lambda unit: supervision.keep_receipt(unit, report_id, receipt, signature)
