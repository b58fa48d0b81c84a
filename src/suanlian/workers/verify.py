"""Steps through verifications: one probe after another on one machine, each checked outside of any transaction.

Everything that must not be lost is in rows: a worker that takes over goes on where one fell. Only a probe whose time
ran while the hub itself did not is begun anew, with fresh seeds, because nobody was there to take its commitment.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import ClassVar, Final

from suanlian.model.errors import ConflictError
from suanlian.model.event import EventType
from suanlian.model.ids import AttemptId
from suanlian.model.job import JobState
from suanlian.model.probe import Purpose
from suanlian.model.verification import Judged, ProbeTrial, RunOutcome, Series
from suanlian.services import probes, proving, verifying
from suanlian.services.ports import Node, RandomBytes
from suanlian.services.probes import Ask, Spot
from suanlian.services.proving import Handed, failed, without_figure
from suanlian.services.verifying import Heard
from suanlian.store.unit import Row, Unit
from suanlian.store.writer import Writer
from suanlian.workers.loop import Tools, Worker

_GRACE: Final = timedelta(seconds=60)
"""So much longer than the owner's cap a probe is waited for; then it is cancelled, and after as long again given up."""
_MOST_VOIDS: Final = 3
_OVER_CAP: Final = "probe_cap"


class Verifier(Worker):
    """See the module."""

    name: ClassVar[str] = "verify"
    follows: ClassVar[frozenset[EventType]] = frozenset(
        {
            EventType.VERIFICATION_ASKED,
            EventType.ATTEMPT_ENDED,
            EventType.INVENTORY_CHANGED,
            EventType.CONNECTOR_ACCEPTING,
        }
    )
    every_s: ClassVar[float] = 2.0

    def __init__(
        self, tools: Tools, writer: Writer, node: Callable[[], Node], random_bytes: RandomBytes, target_s: float
    ) -> None:
        """``target_s``: how long a probe is to take if the claim is true."""
        super().__init__(tools, writer)
        self._node = node
        self._random = random_bytes
        self._target_s = target_s
        self._since = tools.clock()

    def step(self) -> bool:
        """Let one run of each machine go on; again at once where one did."""
        with self.tools.reading() as unit:
            runs = verifying.still_open(unit)
            is_missing = bool(verifying.unverified(unit))
        if is_missing:
            self.writer.run(self.apply(partial(verifying.ask_missing, target_s=self._target_s)))
        first: dict[str, Row] = {}
        for run in runs:
            first.setdefault(run["host"] or run["connector_id"], run)
        return self.each(first.values(), self._go_on) or is_missing

    def _go_on(self, run: Row) -> bool:
        self.renew()
        if not run["series"]:
            return self._begin(run)
        series = Series.model_validate_json(run["series"])
        index = series.current()
        if index is None:
            return self._end(run, proving.judged(series, run["claim"]))
        trial = series.trial(index)
        if trial.attempt_id is None:
            return self._start(run, series, index)
        return self._look(run, series, index, trial.attempt_id)

    def _begin(self, run: Row) -> bool:
        with self.tools.reading() as unit:
            claim = verifying.claim_of(unit, run)
            spot = self._spot(unit, run)
            is_ready = verifying.is_ready(unit, run)
        if claim is None:
            return self._end(run, without_figure(RunOutcome.GONE))
        if spot is None or not is_ready:
            return False
        series = verifying.planned(run, claim, spot.flavor, spot.cap, self._seed)
        if series is None:
            return self._end(run, without_figure(RunOutcome.CAP_TOO_SMALL))
        return self.writer.run(self.apply(partial(verifying.begin, run_id=run["id"], series=series)))

    def _seed(self) -> str:
        return self._random(verifying.SEED_BYTES).hex()

    def _spot(self, unit: Unit, run: Row) -> Spot | None:
        """The share with the most free cores among those of the run's flavor."""
        spots = [spot for spot in probes.spots(unit, run["connector_id"]) if spot.flavor_id == run["flavor_id"]]
        return max(spots, key=lambda spot: spot.free.cpu, default=None)

    def _start(self, run: Row, series: Series, index: int) -> bool:
        with self.tools.reading() as unit:
            spot, is_ready = self._spot(unit, run), verifying.is_ready(unit, run)
            is_there = verifying.claim_of(unit, run) is not None
        if not is_there:
            return self._end(run, without_figure(RunOutcome.GONE))
        if spot is None or not is_ready:
            return False
        trial = series.trial(index)
        task = proving.task(trial, run["precision"], series.millicores, spot.cap.seconds)
        ask = Ask(spot, Purpose.VERIFICATION, run["id"], task, proving.room(trial, series.millicores))

        def work(unit: Unit) -> bool:
            made = probes.start(unit, self._node(), ask)
            begun = trial.model_copy(update={"attempt_id": made})
            return made is not None and verifying.save(unit, run["id"], index, begun)

        try:
            return self.writer.run(self.apply(work))
        except ConflictError:  # nobody operates the hub yet
            return False

    def _look(self, run: Row, series: Series, index: int, attempt_id: AttemptId) -> bool:
        with self.tools.reading() as unit:
            heard = verifying.heard(unit, attempt_id)
            spot = self._spot(unit, run)
            product = probes.output(unit, attempt_id, proving.OUTPUT)
        trial = series.trial(index)
        if heard is None:
            return self._done(run, index, trial, failed(trial, "the probe is gone"))
        cap_s = 0 if spot is None else spot.cap.seconds
        if heard.ended_at is None:
            return self._wait(run, index, trial, heard, timedelta(seconds=cap_s) + _GRACE)
        if heard.reason.startswith(_OVER_CAP):
            return self._end(run, without_figure(RunOutcome.CAP_TOO_SMALL))
        if self._is_void(heard) and trial.voids < _MOST_VOIDS:
            fresh = ProbeTrial(seed=self._seed(), n=trial.n, segments=trial.segments, voids=trial.voids + 1)
            return self._done(run, index, trial, fresh)
        self.renew()  # the check may take a while
        return self._done(run, index, trial, self._checked(run, series, index, heard, product))

    def _checked(self, run: Row, series: Series, index: int, heard: Heard, product: bytes | None) -> ProbeTrial:
        trial = series.trial(index)
        if heard.state != JobState.COMPLETE or product is None:
            return failed(trial, f"{heard.state}: {heard.reason or 'it brought no product'}")
        if heard.commitment is None or heard.told_at is None:
            return failed(trial, "it did not commit to a product before it handed one in")
        with self.tools.reading() as unit:
            share = verifying.share_of_node(unit, run, series)
        # drawn only now: nobody can have chosen a matrix that fits them
        secrets = [self._random(trial.n * proving.SECRET_BYTES) for _ in range(proving.SECRETS)]
        span = (heard.told_at, heard.commitment.heard_at)
        handed = Handed(product, heard.commitment.digest, *span, secrets)
        return proving.proved(trial, run["precision"], share, handed)

    def _is_void(self, heard: Heard) -> bool:
        """Whether the hub was not there for a part of the time that counts."""
        until = heard.ended_at if heard.commitment is None else heard.commitment.heard_at
        return heard.told_at is not None and until is not None and heard.told_at < self._since <= until

    def _wait(self, run: Row, index: int, trial: ProbeTrial, heard: Heard, patience: timedelta) -> bool:
        age = self.tools.clock() - (heard.told_at or heard.made_at)
        if age <= patience or trial.attempt_id is None:
            return False
        self.writer.run(self.apply(partial(probes.cancel, attempt_id=trial.attempt_id)))
        # what it holds stays held until its connector says that it has ended
        return age > 2 * patience and self._done(run, index, trial, failed(trial, "its connector fell silent"))

    def _done(self, run: Row, index: int, before: ProbeTrial, after: ProbeTrial) -> bool:
        def work(unit: Unit) -> bool:
            if before.attempt_id is not None:
                probes.discard(unit, before.attempt_id)
            return verifying.save(unit, run["id"], index, after)

        return self.writer.run(self.apply(work))

    def _end(self, run: Row, judged: Judged) -> bool:
        with self.tools.reading() as unit:
            left = probes.still_open(unit, Purpose.VERIFICATION, run["id"])
        for attempt_id in left:
            self.writer.run(self.apply(partial(probes.cancel, attempt_id=attempt_id)))
        return self.writer.run(self.apply(partial(verifying.end, run_id=run["id"], judged=judged)))
