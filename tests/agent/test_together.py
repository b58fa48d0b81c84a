"""Tasks of one array are submitted together, in few commits, and each still ends by itself."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from suanlian.agent.ledger import Ledger
from suanlian.agent.policy import Held
from suanlian.agent.reconcile import Move
from suanlian.agent.row import Row, Step
from suanlian.agent.together import groups
from suanlian.drivers.contract import DriverError, NativeId, Work
from suanlian.model.ids import AttemptId, JobId, new_id
from suanlian.model.job import JobState
from suanlian.model.protocol import Wish
from suanlian.model.quantity import Resources
from suanlian.testing.fake_driver import FakeDriver
from tests.agent.bench import Bench, run, spec


class Counting(FakeDriver):
    """Counts submissions; ``refuses`` is an index that cannot be started, ``away`` so many calls that fail."""

    submissions: list[list[int]]
    refuses: int | None = None
    away: int = 0

    def submit(self, work: Work, *, keys: Mapping[int, AttemptId]) -> Mapping[int, NativeId]:
        self.submissions = [*getattr(self, "submissions", []), sorted(keys)]
        if self.away:
            self.away -= 1
            raise DriverError("the engine is away", transient=True)
        if self.refuses in keys:
            raise DriverError(f"task {self.refuses} cannot be started")
        return super().submit(work, keys=keys)


def asked(bench: Bench, tasks: int) -> list[AttemptId]:
    """Wish for all tasks of an array at once."""
    job = JobId(new_id())
    wanted, granted = spec(array_size=tasks), Resources.of({"cpu": 10, "memory": 1})
    said = [run(wanted, task_index=index, job_id=job, granted=granted) for index in range(tasks)]
    bench.hub.wish(*said)
    return [one.attempt_id for one in said]


@pytest.fixture
def engine(tmp_path: Path) -> Counting:
    return Counting(tmp_path / "engine")


def test_an_array_is_one_submission_and_each_task_ends(tmp_path: Path, engine: Counting) -> None:
    with Bench(tmp_path) as bench:
        attempts = asked(bench, 20)
        bench.rounds(bench.agent(driver=engine))
        assert engine.submissions == [list(range(20))]
        assert {bench.hub.last(attempt).state for attempt in attempts} == {JobState.COMPLETE}


def test_what_is_refused_for_good_ends_alone(tmp_path: Path, engine: Counting) -> None:
    engine.refuses = 3
    with Bench(tmp_path) as bench:
        attempts = asked(bench, 6)
        bench.rounds(bench.agent(driver=engine))
        states = [bench.hub.last(attempt).state for attempt in attempts]
        assert states == [JobState.SYSTEM_ERROR if index == 3 else JobState.COMPLETE for index in range(6)]


def test_an_engine_that_is_away_gets_all_later(tmp_path: Path, engine: Counting) -> None:
    engine.away = 1
    with Bench(tmp_path) as bench:
        attempts = asked(bench, 6)
        agent = bench.agent(driver=engine)
        bench.rounds(agent, 2)
        bench.clock.forward(5)
        bench.rounds(agent)
        assert {bench.hub.last(attempt).state for attempt in attempts} == {JobState.COMPLETE}
        assert set(engine.starts.values()) == {1}


def row(job: str = "j", share: str = "s", *, step: Step = Step.STAGING) -> Row:
    said = {"attempt_id": new_id(), "token": 1, "job_id": job, "task_index": 0, "entity": "e", "share": share}
    more = {"flavor": "f", "granted": Resources.of({"cpu": 100}), "wish": Wish.RUN, "wish_version": 1, "step": step}
    return Row.model_validate({**said, **more})


def test_groups_hold_every_move_once_and_submissions_by_job_and_share() -> None:
    due = [(Move.SUBMIT, row("a")), (Move.STAGE, row()), (Move.SUBMIT, row("b")), (Move.SUBMIT, row("a"))]
    due += [(Move.SUBMIT, row("a", "other")), (Move.STOP, row()), (Move.STOP, row())]
    found = list(groups(due))
    assert sorted(r.attempt_id for _move, rows in found for r in rows) == sorted(r.attempt_id for _move, r in due)
    assert [len(rows) for move, rows in found if move is Move.SUBMIT] == [2, 1, 1]
    assert [len(rows) for move, rows in found if move is Move.STOP] == [1, 1]
    assert max(len(rows) for _move, rows in groups([(Move.STAGE, row()) for _ in range(100)])) < 100


def test_what_is_held_is_added_and_taken_away() -> None:
    rows = [row(), row(), row(share="t"), row(step=Step.RECEIVED)]
    held = Held.of(rows)
    assert held.of_share("s").cpu == 200
    assert sum(taken.count for taken in held.taken()) == 3
    held.remove(rows[0])
    assert held.of_share("s").cpu == 100


def test_changes_that_are_made_together_are_all_there_or_none(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        attempts = asked(bench, 3)
        agent = bench.agent()
        agent.poll(0)
        ledger, now = agent.desk.ledger, bench.clock()
        other = Ledger(bench.home.ledger)

        def fall() -> None:
            with ledger.together():
                ledger.change(attempts[0], lambda was: was.with_(step=Step.STAGING), now)
                with pytest.raises(KeyError):
                    ledger.change(AttemptId("nobody"), lambda was: was, now)
                assert {r.step for r in other.rows()} == {Step.RECEIVED}
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fall()
        assert {r.step for r in ledger.rows()} == {Step.RECEIVED}
        with ledger.together():
            for attempt in attempts:
                ledger.change(attempt, lambda was: was.with_(step=Step.STAGING), now)
        assert {r.step for r in other.rows()} == {Step.STAGING}
        other.close()


def test_what_needs_nothing_brought_in_is_laid_out_in_larger_groups() -> None:
    def row(*, bare: bool) -> Row:
        return Row(
            attempt_id=AttemptId(new_id()),
            token=1,
            job_id=JobId(new_id()),
            task_index=0,
            entity="lab",
            share="share",
            flavor="flavor",
            granted=Resources.of({"cpu": 1}),
            wish=Wish.RUN,
            wish_version=1,
            step=Step.STAGING,
            bare=bare,
        )

    due = [(Move.STAGE, row(bare=bare)) for bare in [True, False] * 100]
    sizes = sorted((part[0].bare, len(part)) for _move, part in groups(due))
    assert sizes == [(False, 4), (False, 32), (False, 32), (False, 32), (True, 100)]
