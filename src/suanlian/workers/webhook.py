"""Tells the ends of jobs to the addresses that their owners chose. Load, deliver with no transaction open, apply."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ClassVar, Final
from urllib.parse import urlsplit

from suanlian.model.errors import UnavailableError
from suanlian.model.event import EventType
from suanlian.services import telling
from suanlian.services.ports import Delivers, Node, Secrets
from suanlian.services.telling import DELIVERED, Told
from suanlian.store.unit import Unit
from suanlian.store.writer import Writer
from suanlian.workers.loop import Tools, Worker

_AT_ONCE: Final = 8
"""So many deliveries go on at a time; together they take no longer than one."""
_PER_ACCOUNT: Final = 2
_GOOD: Final = range(200, 300)
_GONE: Final = 410


class Webhooks(Worker):
    """See the module."""

    name: ClassVar[str] = "webhook"
    follows: ClassVar[frozenset[EventType]] = frozenset({EventType.JOB_ENDED})
    every_s: ClassVar[float] = 5.0

    def __init__(  # noqa: PLR0913, PLR0917 - what is told, by whom, with what, to whom
        self,
        tools: Tools,
        writer: Writer,
        node_now: Callable[[], Node],
        secrets: Secrets,
        delivers: Delivers,
        allowed: frozenset[str],
    ) -> None:
        """``allowed``: origins that may be told although they are not public."""
        super().__init__(tools, writer)
        self._node_now = node_now
        self._secrets = secrets
        self._delivers = delivers
        self._allowed = allowed

    def step(self) -> bool:
        """Some of what is due; again at once while there was any."""
        with self.tools.reading() as unit:
            due = telling.due(unit, self._node_now(), limit=_AT_ONCE * 8, per_account=_PER_ACCOUNT)[:_AT_ONCE]
        if not due:
            return False
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="webhook") as pool:
            outcomes = list(pool.map(self._deliver, due))
        self.renew()
        for told, (outcome, final) in zip(due, outcomes, strict=True):
            self.writer.run(self.apply(partial(_settle, told, outcome, final)))
        return True

    def _deliver(self, told: Told) -> tuple[str, bool]:
        """What became of it, in a word that its owner may read, and whether it is over."""
        if not told.url:  # the account was erased
            return "", True
        headers = telling.signed(told, self._node_now(), self._secrets, self.tools.clock)
        if isinstance(headers, str):
            return f"failed: {headers}", True
        if telling.refused_url(told.url, self._allowed):
            return "failed: the address is refused", True
        try:
            status = self._post(told, headers)
        except UnavailableError:
            return "failed: not reached", False
        if status is None:
            return "failed: the address is refused", False
        return (DELIVERED, True) if status in _GOOD else (f"failed: status {status}", status == _GONE)

    def _post(self, told: Told, headers: Mapping[str, str]) -> int | None:
        """The status of the answer; None where its host, as it is resolved now, may not be reached."""
        parts = urlsplit(told.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = self._delivers.resolve(parts.hostname or "", port)
        address = telling.judged(told.url, found, self._allowed)
        return None if address is None else self._delivers.post(told.url, address, told.body, headers)


def _settle(told: Told, outcome: str, final: bool, unit: Unit) -> None:  # noqa: FBT001 - a unit of work takes what it is given
    telling.settle(unit, told, outcome, final=final)
