"""Which loops run, how often, and how do they end? The only threads of the agent.

Each loop makes one round after another. When the hub is not there, the wait grows and has jitter, so that a hub which
comes back is not met by everybody at once. Jobs go on whatever happens here: the driver keeps them.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from suanlian.agent.agent import Agent
from suanlian.agent.data.endings import sweep
from suanlian.agent.data.kit import Kit
from suanlian.agent.data.work import Storekeeper
from suanlian.agent.desk import log
from suanlian.agent.lending.build import loans_of
from suanlian.drivers.contract import DriverError
from suanlian.model.errors import SuanlianError, UnavailableError

TICK_S: Final = 0.3
STREAM_S: Final = 0.3
TELL_S: Final = 0.3
LOOK_S: Final = 15.0
KEYS_S: Final = 1.0
LEND_S: Final = 2.0
DESCRIBE_S: Final = 5.0
PRUNE_S: Final = 3600.0
LONGEST_BACKOFF_S: Final = 10.0
_FIRST_BACKOFF_S: Final = 0.5
_REPEAT_S: Final = 60.0
"""So often, in seconds, a fault that somebody has to mend is told again."""
_GRACE_S: Final = 5.0
_SLOW_AT_ONCE: Final = 8


def backoff_s(failures: int, chance: float) -> float:
    """How long to wait after so many failures in a row: doubling, capped, then half to all of that by ``chance``."""
    whole = min(LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2 ** min(failures - 1, 16)) if failures else 0.0
    return whole * (0.5 + chance / 2)


@dataclass(frozen=True, slots=True)
class Told:
    """What trouble a loop has told last, and when (seconds of a monotonic clock)."""

    kind: str = ""
    at_s: float = 0.0


def heard(told: Told, error: Exception, now_s: float) -> tuple[Told, int]:
    """What is told after this error, and how loud it is, as a level of `logging`.

    The first failure is news, the twentieth of the same outage is not; an impostor after an outage is. What does not
    pass by itself is told again each minute, so that nobody who looks later misses it.
    """
    kind = _kind(error)
    if kind == told.kind and (isinstance(error, UnavailableError) or now_s - told.at_s < _REPEAT_S):
        return told, logging.DEBUG
    return Told(kind, now_s), logging.WARNING


@dataclass(frozen=True, slots=True)
class Loop:
    """One thing done again and again: ``every_s`` after a round that did nothing, at once after one that did."""

    name: str
    round: Callable[[], bool]
    every_s: float
    news: threading.Event | None = None
    """Begins the next round earlier."""


class Rounds:
    """The loops of one agent."""

    def __init__(self, agent: Agent) -> None:
        """Prepare the loops; nothing runs yet."""
        self._agent = agent
        self._stop = threading.Event()
        self._news = threading.Event()
        """The hub wishes something else: the work's loop waits no longer."""
        self._room = threading.Semaphore(_SLOW_AT_ONCE)
        desk = agent.desk
        self._loops: tuple[Loop, ...] = (
            Loop("poll", self._poll, 0.2),
            Loop("work", lambda: agent.tick(self._apart), TICK_S, self._news),
            Loop("logs", agent.stream, STREAM_S),
            Loop("report", agent.outbox.report, TELL_S),
            Loop("usage", agent.outbox.usage, TELL_S),
            Loop("look", self._look, LOOK_S),
            Loop("keys", agent.keys.turn, KEYS_S),
            Loop("describe", agent.describe, DESCRIBE_S),
            Loop("prune", self._prune, PRUNE_S),
        )
        self._keeper = Storekeeper(Kit(desk)) if desk.shelf.stores.names else None
        self._tasks = threading.Event()
        """The hub wants something else of storage."""
        if self._keeper is not None:
            self._loops += (
                Loop("storage poll", self._poll_storage, 0.2),
                Loop("storage", self._keep, TICK_S, self._tasks),
                Loop("storage report", self._keeper.tell, TELL_S),
            )
        self._loans = loans_of(desk)
        if self._loans is not None:
            self._loops += (Loop("lending", self._loans.round, LEND_S),)

    def stop(self) -> None:
        """End all loops; jobs go on."""
        self._stop.set()
        self._news.set()
        self._tasks.set()
        if self._keeper is not None:
            self._keeper.stop()

    def run(self) -> None:
        """Run until `stop`; then give the rounds that are under way a moment. Threads never keep the process alive."""
        threads = [
            threading.Thread(target=self._turn, args=(loop,), name=loop.name, daemon=True) for loop in self._loops
        ]
        for thread in threads:
            thread.start()
        self._stop.wait()
        deadline = time.monotonic() + _GRACE_S
        for thread in threads:
            # a long poll waits longer than anybody who stops an agent
            thread.join(0 if thread.name.endswith("poll") else max(0.0, deadline - time.monotonic()))

    def _turn(self, loop: Loop) -> None:
        failures, told = 0, Told()
        while not self._stop.is_set():
            try:
                again = loop.round()
                failures, told = 0, Told()
            except (SuanlianError, DriverError) as error:
                again, failures = False, failures + 1
                told, loudness = heard(told, error, time.monotonic())
                log.log(loudness, "%s: %s", loop.name, error)
            except Exception:  # noqa: BLE001 - a loop that died would stop its part of the agent for ever
                again, failures, told = False, failures + 1, Told()
                log.exception("%s: a fault of the agent's own", loop.name)
            wait_s = backoff_s(failures, random.random()) if failures else 0.0 if again else loop.every_s  # noqa: S311 - jitter
            if loop.news is None or failures:
                self._stop.wait(wait_s)
            else:
                loop.news.wait(wait_s)
                loop.news.clear()

    def _poll(self) -> bool:
        if not self._agent.poll(self._agent.desk.config.poll_wait_s):
            return False
        self._news.set()
        return True

    def _poll_storage(self) -> bool:
        if self._keeper is None or not self._keeper.poll(self._agent.desk.config.poll_wait_s):
            return False
        self._tasks.set()
        return True

    def _keep(self) -> bool:
        return self._keeper is not None and self._keeper.tick(_in_a_thread)

    def _look(self) -> bool:
        self._agent.look()
        self._agent.publish()
        self._agent.sweep()
        return False

    def _prune(self) -> bool:
        self._agent.desk.ledger.prune(self._agent.desk.clock())
        self._agent.tidy()
        if self._keeper is not None:
            sweep(self._keeper.kit)
        if self._loans is not None:
            self._loans.prune()
        return False

    def _apart(self, work: Callable[[], None]) -> bool:
        if not self._room.acquire(blocking=False):
            return False

        def worked() -> None:
            try:
                work()
            finally:
                self._room.release()

        threading.Thread(target=worked, name="slow", daemon=True).start()
        return True


def _in_a_thread(work: Callable[[], None]) -> bool:
    """Storage bounds by itself how much it does at once."""
    threading.Thread(target=work, name="storage task", daemon=True).start()
    return True


def _kind(error: Exception) -> str:
    """Outages of one kind are one trouble; of refusals each wording is another."""
    if isinstance(error, UnavailableError):
        return f"{type(error).__name__}:{error.code}"
    return f"{type(error).__name__}:{error}" if isinstance(error, SuanlianError) else type(error).__name__
