"""Gives waiting tasks a place, whenever jobs come, capacity is released or the catalogue changes."""

from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import ClassVar, Final

from suanlian.model.decision import Decision, Placed, Waits
from suanlian.model.event import EventType
from suanlian.model.job import JobSpec
from suanlian.model.levels import LevelRules
from suanlian.services import deciding, links, market, passing, placing, usage
from suanlian.services.bringing import Bringing, NotNowError, WaysOf, let_come, prefetch
from suanlian.services.deciding import Weighing
from suanlian.services.ordering import Ordering
from suanlian.services.placing import Besides, Brings
from suanlian.services.throughput import Knowledge
from suanlian.store.unit import Unit
from suanlian.store.writer import Writer
from suanlian.workers.loop import Tools, Worker

_JOBS: Final = 256
_AT_ONCE: Final = 256
"""So many decisions wait to be written at most: the writer's queue is everybody's."""
_FETCHED: Final = 32
"""Of so many jobs data is brought ahead after one look."""
_ANSWER_S: Final = 60.0


class Placer(Worker):
    """See the module."""

    name: ClassVar[str] = "place"
    follows: ClassVar[frozenset[EventType]] = frozenset(
        {
            EventType.JOB_SUBMITTED,
            EventType.JOB_RELEASED,
            EventType.TASK_REQUEUED,
            EventType.ATTEMPT_ENDED,
            EventType.INVENTORY_CHANGED,
            EventType.OFFER_PUBLISHED,
            EventType.PLATFORM_LIVE,
            EventType.CONNECTOR_ACCEPTING,
            EventType.CONNECTOR_SEALING_KEY,
            EventType.CONNECTOR_ADMITTED,
            EventType.ENTITY_CHECKED,
            EventType.CONNECTOR_LEVEL,
            EventType.CONNECTOR_PARTNERS,
            EventType.SITE_CHECKED,
            EventType.PLATFORM_UNDRAINED,
            EventType.CONNECTOR_DRAINED,
            EventType.MARKET_POLICY_CHANGED,
            EventType.REPLICA_MOVED,
        }
    )
    every_s: ClassVar[float] = 5.0
    pause_s: ClassVar[float] = 0.02

    def __init__(self, tools: Tools, writer: Writer, levels: LevelRules, ways_of: WaysOf = links.ways_now) -> None:
        """``levels``: which protection grade each data level needs. ``ways_of``: what is known of links."""
        super().__init__(tools, writer)
        self._levels = levels
        self._ways_of = ways_of
        self._memory = market.Memory(levels)
        self._ordering = Ordering(self._memory)

    def step(self) -> bool:
        """One look at all that waits; again at once while tasks are being placed, or some have yet to be told."""
        with self.tools.reading() as unit:
            data = self._memory.data = Bringing(unit, self._levels, self._ways_of)
            weighing = Weighing(self._levels, Knowledge(unit).of, market.current(unit), data)
            try:
                found = deciding.decide(unit, self._ordering, limit=_JOBS, weighing=weighing)
            except BaseException:
                self._ordering.forget()  # one look that went wrong must not spoil all that follow
                raise
        placed = told = False
        for start in range(0, len(found.decisions), _AT_ONCE):
            done = self._apply(found.decisions[start : start + _AT_ONCE])
            placed |= any(not isinstance(decision, Waits) for decision in done)
            told |= bool(done)
            self.renew()
        self.each([one for one in found.decisions if _has_reserved(one)][:_FETCHED], self._fetch)
        return placed or (told and found.more)

    def _apply(self, decisions: tuple[Decision, ...]) -> list[Decision]:
        """Those that came true."""
        made: list[tuple[Decision, Future[bool]]] = [
            (decision, self.writer.submit(self.apply(partial(_apply, decision, self._brings))))
            for decision in decisions
        ]
        return [decision for decision, future in made if _came_true(future)]

    def _fetch(self, waits: Decision) -> bool:
        """Let the data of a job that waits come to the place that is reserved for it: asked when that is told."""
        held = waits.explanation.queueing if isinstance(waits, Waits) else None
        if held is None or held.reserved is None:
            return False

        def work(unit: Unit) -> bool:
            data = Bringing(unit, self._levels, self._ways_of)
            return prefetch(unit, data, waits.job_id, held.reserved or "", held.reserved_at)

        self.writer.run(self.apply(work))
        return False

    def _brings(self, unit: Unit, decision: Placed, spec: JobSpec, attempts: Sequence[str]) -> str | None:
        """Asked again in the unit that gives the place: copies may have come or gone since the decision."""
        return let_come(unit, Bringing(unit, self._levels, self._ways_of), decision.place, spec, attempts)


def _has_reserved(decision: Decision) -> bool:
    """Whether a job that waits is told of a place that is reserved for it, and may have data to read there."""
    held = decision.explanation.queueing if isinstance(decision, Waits) else None
    return held is not None and held.reserved is not None


def _came_true(future: Future[bool]) -> bool:
    try:
        return future.result(_ANSWER_S)
    except NotNowError:  # nothing of it was written
        return False


def _apply(decision: Decision, brings: Brings, unit: Unit) -> bool:
    """In one unit with the new place, what was charged for an attempt that it takes the place of is taken back."""
    done = placing.apply(unit, decision, Besides(passing.sources, brings))
    if done and isinstance(decision, Placed) and decision.fences:
        usage.void(unit, decision.fences)
    return done
