"""Reads inputs of tasks of GA4GH TES from elsewhere, and brings their outputs there; several tasks at a time."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from suanlian.model.event import EventType
from suanlian.services import tes_files
from suanlian.services.ports import Aside, Doors, Node, Outside
from suanlian.services.tes_files import Done, Look, ToBring, ToRead
from suanlian.store.unit import Unit
from suanlian.store.writer import Writer
from suanlian.workers.beside import Beside
from suanlian.workers.loop import Tools


class TesFiles(Beside[ToRead | ToBring, Done]):
    """See the module."""

    name: ClassVar[str] = "tes"
    follows: ClassVar[frozenset[EventType]] = frozenset({EventType.TES_CREATED, EventType.JOB_ENDED})
    every_s: ClassVar[float] = 2.0

    def __init__(
        self, tools: Tools, writer: Writer, node_now: Callable[[], Node], elsewhere: tuple[Outside, Doors, int]
    ) -> None:
        """``elsewhere``: what is reached, what the operator opens, and the bytes that an account may have here."""
        super().__init__(tools, writer)
        self._node = node_now
        self._outside, self._doors, self._quota = elsewhere

    def due(self, unit: Unit, aside: Aside, limit: int) -> Sequence[ToRead | ToBring]:
        """Tasks whose inputs are to be read or whose outputs are to be brought."""
        return tes_files.to_do(unit, self._node(), self._doors, aside, limit)

    def do(self, work: ToRead | ToBring) -> Done:
        """Read or bring."""
        if isinstance(work, ToRead):
            return tes_files.read(work, self._outside, self._node(), self._reading)
        return tes_files.bring(work, self._outside, self._reading)

    def failed(self, error: BaseException) -> Done:
        """Another try may do."""
        return Done(wrong=f"files_failed: {type(error).__name__}", again=True)

    def settle(self, unit: Unit, work: ToRead | ToBring, done: Done) -> None:
        """Write what came of it."""
        tes_files.apply(unit, work, done, self._quota)

    def stop(self) -> None:
        """End; what goes on is broken off."""
        super().stop()
        self._outside.close()

    def _reading(self, look: Look) -> bytes:
        with self.tools.reading() as unit:
            return look(unit)
