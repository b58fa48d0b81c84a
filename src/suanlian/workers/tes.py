"""Reads inputs of tasks of GA4GH TES from elsewhere, and brings their outputs there; several tasks at a time."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import ClassVar, Final

from suanlian.model.event import EventType
from suanlian.services import tes_files
from suanlian.services.ports import Doors, Node, Outside
from suanlian.services.tes_files import Done, Look, ToBring, ToRead
from suanlian.store.writer import Writer
from suanlian.workers.loop import Tools, Worker

_AT_ONCE: Final = 8


class TesFiles(Worker):
    """See the module. What goes on goes on beside its turns, so that one slow address holds up no other task."""

    name: ClassVar[str] = "tes"
    follows: ClassVar[frozenset[EventType]] = frozenset({EventType.TES_CREATED, EventType.JOB_ENDED})
    every_s: ClassVar[float] = 2.0
    pause_s: ClassVar[float] = 0.02

    def __init__(
        self, tools: Tools, writer: Writer, node_now: Callable[[], Node], elsewhere: tuple[Outside, Doors, int]
    ) -> None:
        """``elsewhere``: what is reached, what the operator opens, and the bytes that an account may have here."""
        super().__init__(tools, writer)
        self._node = node_now
        self._outside, self._doors, self._quota = elsewhere
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="tes")
        self._busy: dict[str, tuple[ToRead | ToBring, Future[Done]]] = {}

    def step(self) -> bool:
        """Write what was done, begin what is due; whether anything goes on or was written."""
        ended = [(work, future) for work, future in self._busy.values() if future.done()]
        for work, future in ended:
            del self._busy[work.job_id]
            done = partial(tes_files.apply, work=work, done=future.result(), quota_bytes=self._quota)
            self.writer.run(self.apply(done))
        if len(self._busy) < _AT_ONCE:
            with self.tools.reading() as unit:
                due = tes_files.to_do(unit, self._node(), self._doors, 2 * _AT_ONCE)
            for work in due:
                if work.job_id not in self._busy and len(self._busy) < _AT_ONCE:
                    self._busy[work.job_id] = (work, self._pool.submit(self._do, work))
        return bool(self._busy or ended)

    def stop(self) -> None:
        """End; what goes on is done again by the next process."""
        super().stop()
        self._outside.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _do(self, work: ToRead | ToBring) -> Done:
        if isinstance(work, ToRead):
            return tes_files.read(work, self._outside, self._node(), self._reading)
        return tes_files.bring(work, self._outside, self._reading)

    def _reading(self, look: Look) -> bytes:
        with self.tools.reading() as unit:
            return look(unit)
