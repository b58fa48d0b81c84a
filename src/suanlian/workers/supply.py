"""Claims capacity that is reported free, at moments that a seed committed to beforehand draws, for seconds.

Level-triggered: what is due and what goes on stands in rows. A probe that is given up stays in the capacity book until
its connector says that it has ended: a share that fell silent is not given away blind.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import ClassVar, Final

from suanlian.model.errors import ConflictError
from suanlian.model.event import EventType
from suanlian.model.probe import Purpose
from suanlian.model.supply import Excuse
from suanlian.services import probes, proving, supplying
from suanlian.services.ports import Node, RandomBytes
from suanlian.services.probes import Ask
from suanlian.services.proving import Handed
from suanlian.services.supplying import Due
from suanlian.store.unit import Row, Unit
from suanlian.store.writer import Writer
from suanlian.workers.loop import Tools, Worker

_AT_ONCE: Final = 16


class Supply(Worker):
    """See the module."""

    name: ClassVar[str] = "supply"
    follows: ClassVar[frozenset[EventType]] = frozenset({EventType.ATTEMPT_ENDED})
    every_s: ClassVar[float] = 1.0

    def __init__(
        self, tools: Tools, writer: Writer, node: Callable[[], Node], fresh: RandomBytes, rhythm: tuple[int, float]
    ) -> None:
        """``rhythm``: how long a period is, 0 for no checks, and for how long capacity is held; seconds."""
        super().__init__(tools, writer)
        self._node = node
        self._fresh = fresh
        self._length_s = rhythm[0]
        self._hold = timedelta(seconds=rhythm[1])

    def step(self) -> bool:
        """Commit, reveal, ask, judge; again at once where a check ended."""
        if not self._length_s:
            return False
        with self.tools.reading() as unit:
            checks = supplying.still_open(unit)
            wanted = supplying.missing_periods(unit, self._length_s) if supplying.any_probes(unit) else []
            over, due = supplying.over(unit), supplying.due(unit, self._length_s)
        for number in wanted:
            commit = partial(supplying.commit, number=number, length_s=self._length_s, fresh=self._fresh)
            self.writer.run(self.apply(commit))
        ended = self.each(checks, self._judge)
        self._begin_some(due, _AT_ONCE - len(checks))
        for number in over:
            self._reveal(number)
        return ended

    def _reveal(self, number: int) -> None:
        with self.tools.reading() as unit:  # what ran in a whole period is much to read for the one writer
            seen = supplying.seen_in_jobs(unit, number)
        self.writer.run(self.apply(partial(supplying.reveal, number=number, seen=seen)))

    def _begin_some(self, due: Sequence[Due], room: int) -> None:
        """Claim as many as there is room for; those that cannot be claimed now hold up none of the others."""
        begun = 0

        def begin(one: Due) -> bool:
            nonlocal begun
            if begun < room and self._begin(one):
                begun += 1
            return False

        self.each(due, begin)

    def _begin(self, one: Due) -> bool:
        """Claim what is due; false where nothing is claimed now, so that another share may be in its place."""
        self.renew()
        with self.tools.reading() as unit:
            if supplying.is_probing(unit, one):
                if self.tools.clock() < one.period.end_at - self._hold - timedelta(seconds=1):
                    return False  # a little later in the same period
                self.writer.run(self.apply(lambda unit: supplying.pass_over(unit, one, Excuse.BUSY)))
                return False
            spots = {spot.share_id: spot for spot in probes.spots(unit, one.connector["id"])}
        planned, spot = supplying.plan(one, self._fresh, self._hold), spots.get(one.share["id"])
        if planned is None or spot is None:
            why = supplying.excuse(one)
            self.writer.run(self.apply(lambda unit: supplying.pass_over(unit, one, why)))
            return False
        task, amount, trial = planned

        def work(unit: Unit) -> bool:
            ask = Ask(spot, Purpose.SUPPLY, f"supply-{one.period.number}", task, amount)
            made = probes.start(unit, self._node(), ask)
            if made is None:
                supplying.pass_over(unit, one, Excuse.NOTHING_FREE)
                return False
            return supplying.asked(unit, one, made, amount, trial)

        try:
            return self.writer.run(self.apply(work))
        except ConflictError:  # nobody operates the hub yet
            return False

    def _judge(self, check: Row) -> bool:
        with self.tools.reading() as unit:
            went, said = supplying.course(unit, check, None)
            if supplying.goes_on(went, unit, self._hold):
                return False
            product = probes.output(unit, check["attempt_id"], proving.OUTPUT)
        proved, answered_s = None, None
        if product is not None and said is not None and went.told_at is not None:
            trial = supplying.trial_of(check)
            secrets = [self._fresh(trial.n * proving.SECRET_BYTES) for _ in range(proving.SECRETS)]
            handed = Handed(product, said.digest, went.told_at, said.heard_at, secrets)
            proved = proving.is_proved(trial, "FP64", handed)
            answered_s = (said.heard_at - went.told_at).total_seconds()
        with self.tools.reading() as unit:
            went, _said = supplying.course(unit, check, proved)
            outcome = supplying.verdict(went, unit, self._hold)
        if outcome is None:
            return False

        def work(unit: Unit) -> bool:
            probes.cancel(unit, check["attempt_id"])
            probes.discard(unit, check["attempt_id"])
            return supplying.end(unit, check, outcome, answered_s)

        return self.writer.run(self.apply(work))
