"""The one writer of a process: takes units of work, commits many together, answers after COMMIT.

Each unit has a savepoint of its own, so that one which fails takes nobody with it. A unit may run twice (when the
shared COMMIT fails it runs again alone), so it does nothing but read and write through its connection. The events that
the units recorded are written together before COMMIT, behind every lock that a unit took.
"""

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy.exc import DBAPIError, OperationalError

from suanlian.model.errors import UnavailableError
from suanlian.model.party import Caller
from suanlian.store.engine import Store
from suanlian.store.unit import Unit, write_events

T = TypeVar("T")

_LOG: Final = logging.getLogger(__name__)
MAX_GROUP: Final = 256
"""At most this many units share a transaction."""
MAX_WAITING: Final = 4096
"""More than this many waiting units are refused: the queue is bounded."""
_TRIES: Final = 5
_ANSWER_S: Final = 60.0


@dataclass(slots=True)
class _Asked:
    work: Callable[[Unit], Any]
    caller: Caller | None
    answer: Future[Any]
    source: str = ""
    result: Any = None
    failure: Exception | None = None


def _ending() -> UnavailableError:
    return UnavailableError("hub_unavailable", "The hub is ending.", todo="Try again in a moment.")


def _refuse(group: list[_Asked], error: Exception) -> None:
    for asked in group:
        if not asked.answer.done():
            asked.answer.set_exception(error)


class Writer:
    """Runs units of work on one thread. ``on_commit`` gets the topics that were woken, after they are durable."""

    def __init__(self, store: Store, *, clock: Callable[[], datetime], on_commit: Callable[[list[str]], None]) -> None:
        """Start the thread; ``stop`` ends it."""
        self._store = store
        self._clock = clock
        self._on_commit = on_commit
        self._waiting: queue.Queue[_Asked | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Unit], T], *, caller: Caller | None = None, source: str = "") -> "Future[T]":
        """Queue a unit of work; the future is resolved after COMMIT. ``source``: by which door it came.

        Raises UnavailableError when too many wait, or when the writer has ended.
        """
        asked = _Asked(work, caller, Future(), source)
        if not self._thread.is_alive():
            raise _ending()
        try:
            self._waiting.put_nowait(asked)
        except queue.Full as error:
            wrong = "The hub has more to write than it can take."
            raise UnavailableError("hub_unavailable", wrong, todo="Try again in a moment.") from error
        return asked.answer

    def run(self, work: Callable[[Unit], T], *, caller: Caller | None = None, source: str = "") -> T:
        """Queue a unit of work and wait until it is durable; raises what it raised, UnavailableError after a minute."""
        answer = self.submit(work, caller=caller, source=source)
        try:
            return answer.result(timeout=_ANSWER_S)
        except TimeoutError as error:
            if answer.done():
                raise
            wrong = "The hub did not finish writing in time; it may still do so."
            todo = "Look whether it was done before you repeat it."
            raise UnavailableError("hub_unavailable", wrong, todo=todo) from error

    def stop(self) -> None:
        """Finish what waits, then end."""
        self._waiting.put(None)
        self._thread.join(timeout=_ANSWER_S)

    def _run(self) -> None:
        stopping = False
        while not stopping:
            group, stopping = self._group()
            try:
                if group:
                    self._serve(group)
            except Exception as error:  # noqa: BLE001 - our own fault must neither end the one writer nor let anybody wait
                _LOG.exception("the writer failed")
                _refuse(group, error)
        with suppress(queue.Empty):
            while True:  # who came after the end was asked for
                late = self._waiting.get_nowait()
                _refuse([] if late is None else [late], _ending())

    def _group(self) -> tuple[list[_Asked], bool]:
        first = self._waiting.get()
        if first is None:
            return [], True
        group = [first]
        with suppress(queue.Empty):
            while len(group) < MAX_GROUP:
                following = self._waiting.get_nowait()
                if following is None:
                    return group, True
                group.append(following)
        return group, False

    def _serve(self, group: list[_Asked]) -> None:
        try:
            woken = self._commit(group)
        except Exception as error:  # noqa: BLE001 - whatever went wrong is told to the one who asked
            self._alone(group, error)
            return
        self._answer(group, woken)

    def _alone(self, group: list[_Asked], error: Exception) -> None:
        """The shared transaction failed: run each by itself, so that one bad row fails one unit only."""
        for asked in group:
            failure: Exception = error
            for _ in range(_TRIES):
                try:
                    woken = self._commit([asked])
                except OperationalError as again:  # a deadlock or a lock that timed out: worth another try
                    failure = again
                except Exception as again:  # noqa: BLE001 - told to the one who asked
                    failure = again
                    break
                else:
                    self._answer([asked], woken)
                    break
            if not asked.answer.done():
                asked.answer.set_exception(failure)

    def _commit(self, group: list[_Asked]) -> list[str]:
        woken: list[str] = []
        happened: list[dict[str, Any]] = []
        with self._store.writing.begin() as connection:
            for asked in group:
                asked.result = asked.failure = None
                unit = Unit(connection, self._clock(), asked.caller, asked.source)
                savepoint = connection.begin_nested()
                try:
                    asked.result = asked.work(unit)
                except DBAPIError:
                    savepoint.rollback()
                    raise
                except Exception as error:  # noqa: BLE001 - told to the one who asked
                    savepoint.rollback()
                    asked.failure = error
                else:
                    savepoint.commit()
                    woken.extend(unit.woken)
                    happened.extend(unit.happened)
            write_events(connection, happened)
        return woken

    def _answer(self, group: list[_Asked], woken: list[str]) -> None:
        for asked in group:
            if asked.failure is not None:
                asked.answer.set_exception(asked.failure)
            else:
                asked.answer.set_result(asked.result)
        if woken:
            self._on_commit(woken)
