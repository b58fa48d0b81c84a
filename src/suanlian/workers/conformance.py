"""Steps through conformance runs, many connectors at once: what is under way is in this process, what is asked in rows.

A run that began elsewhere, or before this process, is broken off: its probes are cancelled and it is asked for anew.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar, Final, Protocol, TypeVar

from suanlian.model.conformance import ConformanceReport, Fault, Room, Seen, Staged, too_small
from suanlian.model.event import EventType
from suanlian.model.ids import AttemptId
from suanlian.model.probe import Hold, Purpose, Tick
from suanlian.model.quantity import Resources
from suanlian.services import conformance, probes
from suanlian.services.ports import Node
from suanlian.services.probes import Ask, Spot
from suanlian.store.unit import Row, Unit
from suanlian.store.writer import Writer
from suanlian.workers.loop import Tools, Worker

T = TypeVar("T")

_AT_ONCE: Final = 16
"""So many runs are under way at most; the others wait."""
_STEP_S: Final = 0.25
_PASSING: Final = (Fault.NOT_ACCEPTING, Fault.SILENT)
_PATIENCE: Final = timedelta(seconds=20)


class Wanted(Protocol):
    """A probe that a check wants (``conformance.contract.Wanted``)."""

    @property
    def task(self) -> Tick | Hold:
        """What it does."""
        ...

    @property
    def granted(self) -> Resources:
        """What it gets."""
        ...

    @property
    def cancelled(self) -> bool:
        """Whether it is cancelled before it can start."""
        ...

    @property
    def overcommit(self) -> bool:
        """Whether it is to be refused."""
        ...


class Steps(Protocol):
    """A run under way (``conformance.suite.Suite``)."""

    def step(self) -> ConformanceReport | None:
        """Go on as far as it can now; the report at its end."""
        ...


class AtHub:
    """One connector at one of its shares, as the checks ask of it: every wish is a unit of work of this worker."""

    def __init__(self, worker: Worker, node: Node, run: Row, spot: Spot) -> None:
        """``run`` is the run's row."""
        self._worker = worker
        self._node = node
        self._run = run
        self._spot = spot

    @property
    def room(self) -> Room:
        """Where the run is made."""
        spot = self._spot
        return Room(share=spot.share.name, capacity=spot.share.capacity, node=spot.flavor.node, cap=spot.cap)

    def now(self) -> datetime:
        """The hub's clock."""
        return self._worker.tools.clock()

    def start(self, wanted: Wanted) -> AttemptId | None:
        """Wish a probe; None when the share has no room for it now."""
        ask = Ask(
            self._spot,
            Purpose.CONFORMANCE,
            self._run["id"],
            wanted.task,
            wanted.granted,
            overcommit=wanted.overcommit,
        )

        def work(unit: Unit) -> AttemptId | None:
            made = probes.start(unit, self._node, ask)
            if made is not None and wanted.cancelled:
                probes.cancel(unit, made)
            return made

        return self._write(work)

    def cancel(self, attempt_id: AttemptId) -> None:
        """Wish it cancelled."""
        self._write(lambda unit: probes.cancel(unit, attempt_id))

    def tell_again(self, attempt_id: AttemptId) -> None:
        """Deliver the very same instruction once more."""
        self._write(lambda unit: probes.tell_again(unit, attempt_id))

    def tell_stale(self, attempt_id: AttemptId) -> str:
        """Deliver, once, an instruction to cancel it that carries an older fencing token."""
        return self._write(lambda unit: conformance.stage_stale(unit, self._run, attempt_id))

    def answer_in(self, protocol: int) -> str:
        """Let the next answer that brings instructions say that it speaks this version."""
        return self._write(lambda unit: conformance.stage_version(unit, self._run, protocol))

    def staged(self, answer: str) -> Staged:
        """What became of such an answer."""
        with self._worker.tools.reading() as unit:
            return conformance.staged(unit, answer)

    def look(self, attempt_id: AttemptId) -> Seen:
        """What is known of a probe now."""
        with self._worker.tools.reading() as unit:
            return probes.look(unit, attempt_id)

    def _write(self, work: Callable[[Unit], T]) -> T:
        return self._worker.writer.run(self._worker.apply(work))


Begin = Callable[[AtHub, Room], Steps]
"""Begins a run; nothing is wished before its first step."""


class Conformance(Worker):
    """See the module."""

    name: ClassVar[str] = "conformance"
    follows: ClassVar[frozenset[EventType]] = frozenset({EventType.CONFORMANCE_ASKED, EventType.INVENTORY_CHANGED})
    every_s: ClassVar[float] = 2.0

    def __init__(self, tools: Tools, writer: Writer, node: Callable[[], Node], begin: Begin) -> None:
        """``node`` tells who the hub is now, ``begin`` begins a run."""
        super().__init__(tools, writer)
        self._node = node
        self._begin = begin
        self._under_way: dict[str, Steps] = {}
        self._is_open = False

    def wait_s(self) -> float:
        """Short while a run is under way or waits to begin."""
        return _STEP_S if self._is_open else self.every_s

    def step(self) -> bool:
        """Let every run go on; again at once where one began or ended."""
        with self.tools.reading() as unit:
            rows = {row["id"]: row for row in conformance.still_open(unit)}
            is_missing = bool(conformance.unasked(unit))
        self._is_open = bool(rows)
        for gone in self._under_way.keys() - rows.keys():  # another replica had the lease meanwhile, and ended it
            del self._under_way[gone]
        moved = self.each(rows.values(), self._go_on)
        if is_missing:
            self.writer.run(self.apply(conformance.ask_missing))
        return moved or is_missing

    def _go_on(self, row: Row) -> bool:
        self.renew()
        suite = self._under_way.get(row["id"])
        if suite is not None:
            report = suite.step()
            return report is not None and self._end(row, report)
        if row["started_at"] is not None:
            return self._break_off(row)
        return len(self._under_way) < _AT_ONCE and self._start(row)

    def _start(self, row: Row) -> bool:
        with self.tools.reading() as unit:
            why = conformance.obstacle(unit, row["connector_id"])
            spot = _best(probes.spots(unit, row["connector_id"]))
        if why in _PASSING and self.tools.clock() - row["asked_at"] < _PATIENCE:
            return False  # a connector that has just come says within seconds that it takes work
        if not self.writer.run(self.apply(partial(conformance.begin, run_id=row["id"]))):
            return False
        if why is not None or spot is None:
            return self._end(row, ConformanceReport.skipped(why or Fault.NO_PROBES))
        if lacking := too_small(spot.cap):
            return self._end(row, ConformanceReport.skipped(Fault.CAP_TOO_SMALL, figures=lacking))
        under = AtHub(self, self._node(), row, spot)
        self._under_way[row["id"]] = self._begin(under, under.room)
        return True

    def _end(self, row: Row, report: ConformanceReport) -> bool:
        self._under_way.pop(row["id"], None)
        self._cancel_all(row)
        return self.writer.run(self.apply(lambda unit: conformance.end(unit, row["id"], report)))

    def _break_off(self, row: Row) -> bool:
        self._cancel_all(row)
        return self.writer.run(self.apply(lambda unit: conformance.break_off(unit, row["id"])))

    def _cancel_all(self, row: Row) -> None:
        """What still runs for a run that is over ends too."""
        with self.tools.reading() as unit:
            left = probes.still_open(unit, Purpose.CONFORMANCE, row["id"])
        for attempt_id in left:
            self.writer.run(self.apply(partial(probes.cancel, attempt_id=attempt_id)))


def _best(spots: Sequence[Spot]) -> Spot | None:
    """The share with the most free cores; the first of several."""
    return max(spots, key=lambda spot: spot.free.cpu, default=None)
