"""A worker: one thread, woken by events, that does what follows from the state of the store.

Level-triggered: a step looks for its work in the store, so a wake-up that was lost costs time, never work. A lease lets
one replica's worker run at a time; each apply checks the lease's fencing token in its own transaction.
"""

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import ClassVar, Final, TypeVar

from suanlian.model.event import EventType
from suanlian.model.ids import new_id
from suanlian.store import nodes
from suanlian.store.engine import Store
from suanlian.store.unit import Unit
from suanlian.store.wakeups import Wakeups
from suanlian.store.writer import Writer

T = TypeVar("T")
R = TypeVar("R")

_LOG: Final = logging.getLogger(__name__)
_LEASE: Final = timedelta(seconds=15)
_AFTER_FAULT_S: Final = 1.0


class LeaseLostError(Exception):
    """Another replica's worker has the lease now; what was to be applied was not."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What every worker works with."""

    store: Store
    wakeups: Wakeups
    clock: Callable[[], datetime]

    @contextmanager
    def reading(self) -> Iterator[Unit]:
        """A unit that reads one consistent state."""
        with self.store.readers.connect() as connection:
            yield Unit(connection, self.clock())


class Worker(ABC):
    """A subject's loop: ``follows`` wakes it, ``every_s`` is how long it waits at most."""

    name: ClassVar[str]
    follows: ClassVar[frozenset[EventType]]
    every_s: ClassVar[float]
    pause_s: ClassVar[float] = 0.01

    def __init__(self, tools: Tools, writer: Writer) -> None:
        """Not started yet."""
        self.tools = tools
        self.writer = writer
        self._holder = new_id()
        self._token = 0
        self._renew_at = tools.clock()
        self._woken = tools.wakeups.follow([kind.value for kind in self.follows])
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    @abstractmethod
    def step(self) -> bool:
        """Do what there is to do now; whether there is more at once."""

    def wait_s(self) -> float:
        """How long to wait now, at most: shorter where something is under way that wakes nobody."""
        return self.every_s

    def turn(self) -> bool:
        """One turn: take or keep the lease, then a step; whether there is more at once. Raises LeaseLostError."""
        return self._leased() and self.step()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the step that is going on."""
        self._stopping.set()
        self._woken.set()
        self._thread.join(timeout=_LEASE.total_seconds())
        if self._token:
            with suppress(Exception):  # the lease ends by itself, and stopping goes on
                self.writer.run(lambda unit: nodes.end_lease(unit, self.name, self._token))

    def each(self, rows: Iterable[R], work: Callable[[R], bool]) -> bool:
        """Do ``work`` for each; one that fails is told and looked at again later, and holds up none of the others.

        Whether any of them says that there is more at once. Raises LeaseLostError.
        """
        more = False
        for row in rows:
            try:
                more = work(row) or more
            except LeaseLostError:
                raise
            except Exception:  # noqa: BLE001 - it is logged; the state is looked at again
                _LOG.exception("worker %s: one of several failed and is done again", self.name)
        return more

    def apply(self, work: Callable[[Unit], T]) -> Callable[[Unit], T]:
        """Guard a unit of work by the lease's token. It raises LeaseLostError when another worker has the lease."""
        token = self._token

        def guarded(unit: Unit) -> T:
            if not nodes.holds_lease(unit, self.name, token):
                raise LeaseLostError(self.name)
            unit.source = f"worker {self.name}"
            return work(unit)

        return guarded

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                more = self.turn()
            except LeaseLostError:
                more = False
            except Exception:  # noqa: BLE001 - it is logged; the state is looked at again
                _LOG.exception("worker %s: a step failed and is done again", self.name)
                more = False
                self._stopping.wait(_AFTER_FAULT_S)
            rested_at = monotonic() + self.pause_s
            if not more:
                self._woken.wait(self.wait_s())
            # what comes in quick succession is looked at together, and what comes after a rest at once
            self._stopping.wait(max(0.0, rested_at - monotonic()))

    def renew(self) -> None:
        """Keep the lease in the middle of a long step. Raises LeaseLostError when another worker has it."""
        if not self._leased():
            raise LeaseLostError(self.name)

    def _leased(self) -> bool:
        if self._token and self.tools.clock() < self._renew_at:
            return True
        self._renew_at = self.tools.clock() + _LEASE / 3
        token = self.writer.run(lambda unit: nodes.take_lease(unit, self.name, self._holder, _LEASE))
        self._token = token or 0
        return token is not None
