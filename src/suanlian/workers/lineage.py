"""Keeps up with the hubs above: follows their keys, introduces our own where it changed, renews our delegation."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar, Final

from suanlian.model.errors import SuanlianError
from suanlian.model.event import EventType
from suanlian.model.lineage import KeyPin
from suanlian.services import lineage
from suanlian.services.ports import Node, Upstream
from suanlian.store.unit import Row
from suanlian.store.writer import Writer
from suanlian.workers.loop import Tools, Worker

_LOG: Final = logging.getLogger(__name__)
ASK_AGAIN: Final = timedelta(minutes=1)


class Lineage(Worker):
    """See the module. Load, ask with no transaction open, apply."""

    name: ClassVar[str] = "lineage"
    follows: ClassVar[frozenset[EventType]] = frozenset({EventType.HUB_REKEYED})
    every_s: ClassVar[float] = 5.0

    def __init__(
        self, tools: Tools, writer: Writer, node_now: Callable[[], Node], upstream_of: Callable[[Row], Upstream]
    ) -> None:
        """``upstream_of`` makes the way up from an uplink's row."""
        super().__init__(tools, writer)
        self._node_now = node_now
        self._upstream_of = upstream_of
        self.asked: dict[str, tuple[str, datetime]] = {}
        """By uplink: with which key of ours it was asked last, and when."""

    def step(self) -> bool:
        """Ask those whose answer is old or was for another key of ours; what fails is asked again at the next step."""
        node, now = self._node_now(), self.tools.clock()
        with self.tools.reading() as unit:
            rows = lineage.uplinks(unit)
        for row, pin in rows:
            key, at = self.asked.get(row["id"], ("", now))
            if key == node.keypair.key_id and now - at < ASK_AGAIN:
                continue
            try:
                self._keep_up(node, row, pin)
            except SuanlianError as error:
                _LOG.warning("the hub above, %s, was not followed: %s", row["hub_name"], error)
            else:
                self.asked[row["id"]] = (node.keypair.key_id, now)
        return False

    def _keep_up(self, node: Node, row: Row, pin: KeyPin) -> None:
        with self.tools.reading() as unit:
            call, changes = lineage.delegation_call(unit, node), lineage.own_changes(unit)
        heard = self._upstream_of(row).keep_up(pin, call, changes[-1] if changes else None)
        self.writer.run(self.apply(partial(lineage.follow, node=node, uplink=row, heard=heard)))
