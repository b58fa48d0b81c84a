"""A lent job is never run twice and never lost, and its end is told at home once: whatever crashes, at every line."""

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from suanlian.agent.ledger import Ledger
from suanlian.agent.lending.fetching import Shelf
from suanlian.agent.lending.loans import Doors, Loans
from suanlian.agent.lending.row import Step
from suanlian.agent.lending.terms import Lending
from suanlian.drivers.contract import DriverError
from suanlian.drivers.lending import LocalJob
from suanlian.model.job import JobState
from suanlian.model.lending import LendKey
from suanlian.model.quantity import Resources
from suanlian.sdk.connector import ConnectorClient
from suanlian.testing.fake_lender import FakeLendingHub, FakeQueue
from suanlian.testing.hub import FrozenClock

SMALL = Resources.model_validate({"cpu": "1", "memory": "256MiB"})
TERMS = Lending(queues=("main",), wait_s=0, patience_s=600, data_level=1, max=5)


class Crash(BaseException):
    """The agent dies here."""


class Fuse:
    """Lets so many effects pass, then crashes once."""

    def __init__(self) -> None:
        self.left: int | None = None

    def __call__(self, at: str) -> None:
        if self.left is None:
            return
        if self.left == 0:
            self.left = None
            raise Crash(at)
        self.left -= 1


class LendingLaws(RuleBasedStateMachine):
    """A queue, a hub, and an agent between them that may die at any line."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FrozenClock(datetime(2026, 3, 1, tzinfo=UTC))
        self.root = Path(tempfile.mkdtemp(prefix="sllend"))
        self.queue, self.hub, self.fuse = FakeQueue(), FakeLendingHub(self.clock), Fuse()
        self.queue.trip = self.hub.trip = self.fuse
        self.ledgers, self.count, self.was_put_back, self.overcrowded = 0, 0, False, False

    @initialize()
    def begin(self) -> None:
        self._new_agent()

    def _new_agent(self, *, remembers: bool = True) -> None:
        self.ledgers += not remembers
        self.ledger = Ledger(self.root / f"ledger{self.ledgers}")
        doors = Doors(self.queue, cast("ConnectorClient", self.hub), Shelf(self.root / "shelf"))
        self.loans = Loans(TERMS, doors, self.ledger, self.clock)

    @rule(waits=st.booleans())
    def a_user_queues_a_job(self, waits: bool) -> None:  # noqa: FBT001 - drawn
        self.count += 1
        at = self.clock() - timedelta(seconds=1)
        key = LendKey(cluster="wuhu", native_id=str(self.count), submitted_at=at)
        self.queue.submit(LocalJob(key, "alice", "main", "sim", SMALL, 60, at))
        if not waits:
            self.queue.schedule()

    @rule(runs=st.booleans())
    @precondition(lambda self: not self.hub.away and self.queue.trouble is None)
    def one_is_lent(self, runs: bool) -> None:  # noqa: FBT001 - drawn
        """Without a mishap up to here, so that what comes after is tried more often."""
        self.a_user_queues_a_job(waits=True)
        self.the_agent_goes_on(None, 11)
        if runs:
            self.hub.place()

    @rule(after=st.none() | st.integers(0, 30), seconds=st.sampled_from([1, 11, 70, 700]))
    def the_agent_goes_on(self, after: int | None, seconds: int) -> None:
        self.clock.advance(seconds)
        self.fuse.left = after
        try:
            self.loans.round()
        except Crash:
            self.ledger.close()
            self._new_agent()
        except DriverError:
            pass  # the loop tells it and comes again
        finally:
            self.fuse.left = None

    @rule()
    def the_queue_moves(self) -> None:
        self.queue.schedule()
        for key, one in self.queue.jobs.items():
            away = self._elsewhere(key)
            self.overcrowded |= bool(one.body_runs and any(each.running for each in away))

    @rule(data=st.data())
    @precondition(lambda self: any(one.waits for one in self.queue.jobs.values()))
    def a_user_cancels(self, data: st.DataObject) -> None:
        self.queue.cancel(data.draw(st.sampled_from([key for key, one in self.queue.jobs.items() if one.waits])))

    @rule(data=st.data())
    @precondition(lambda self: any(one.waits and one.held for one in self.queue.jobs.values()))
    def an_administrator_lets_it_go(self, data: st.DataObject) -> None:
        held = [one for one in self.queue.jobs.values() if one.waits and one.held]
        data.draw(st.sampled_from(held)).held = False

    @rule()
    def platforms_begin_what_waits(self) -> None:
        self.hub.place()

    @rule(state=st.sampled_from([JobState.COMPLETE, JobState.EXECUTOR_ERROR, JobState.SYSTEM_ERROR, JobState.CANCELED]))
    def what_runs_elsewhere_ends(self, state: JobState) -> None:
        self.hub.end(state, {JobState.COMPLETE: 0, JobState.EXECUTOR_ERROR: 7}.get(state))

    @rule()
    def the_hub_gives_up_on_silent_places(self) -> None:
        self.hub.give_up_on_the_silent()

    @rule(away=st.booleans())
    def the_hub_goes_or_comes(self, away: bool) -> None:  # noqa: FBT001 - drawn
        self.hub.away = away

    @rule(broken=st.booleans())
    def the_engine_goes_or_comes(self, broken: bool) -> None:  # noqa: FBT001 - drawn
        self.queue.trouble = DriverError("down", transient=True) if broken else None

    @rule()
    def the_ledger_is_lost(self) -> None:
        self.ledger.close()
        self._new_agent(remembers=False)

    @rule()
    @precondition(lambda self: not self.was_put_back)
    def the_hub_is_put_back(self) -> None:
        self.was_put_back = True
        self.hub.put_back()

    def _elsewhere(self, key: LendKey) -> list[Any]:
        return [one for one in (self.hub.jobs.get(key), *self.hub.ghosts) if one is not None and one.call.key == key]

    @invariant()
    def never_run_twice(self) -> None:
        assert not self.overcrowded, "a body ran at home while it ran elsewhere"
        for key, one in self.queue.jobs.items():
            counted = sum(each.counted for each in self._elsewhere(key))
            assert one.body_runs + counted <= 1, f"{key.native_id} ran {one.body_runs} at home, {counted} elsewhere"
            assert len(one.told) + one.body_runs + one.refused_to_run <= 1, "it ended at home once"
            assert not one.told or counted == 1, "an end is told that was none"
            ends = [each.attempt.outcome.exit_code for each in self._elsewhere(key) if each.counted]
            assert not one.told or one.told == ends, "another end is told than there was"

    def teardown(self) -> None:
        self._calm_down()
        try:
            for key, one in self.queue.jobs.items():
                row = self.loans.book.row(key)
                stuck = row is not None and row.step is Step.STUCK
                assert stuck is (one.waits and one.held), f"{key.native_id} is lost: {row}"
                assert not stuck or self.was_put_back, f"{key.native_id} is stuck without a reason: {row}"
                assert not (one.waits and not stuck), f"{key.native_id} waits for ever: {row}"
                assert row is None or stuck or row.step is Step.CLOSED
            self.never_run_twice()
        finally:
            self.ledger.close()
            shutil.rmtree(self.root)

    def _calm_down(self) -> None:
        """Nothing goes wrong any more, and everything that runs comes to its end."""
        self.hub.away, self.queue.trouble = False, None
        for _round in range(12):
            self.the_agent_goes_on(None, 70)
            self.hub.place()
            self.hub.end(JobState.COMPLETE, 0)
            self.the_agent_goes_on(None, 700)
            self.the_queue_moves()


LendingLaws.TestCase.settings = settings(max_examples=80, stateful_step_count=20, deadline=None)
TestLendingLaws = LendingLaws.TestCase
