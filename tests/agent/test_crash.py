"""Does a crash change nothing, at whatever moment? Each change of the ledger is a moment before and one after."""

from itertools import pairwise
from pathlib import Path

import pytest

from suanlian.agent.agent import Agent
from suanlian.drivers.contract import NativeId, Work
from suanlian.model.ids import AttemptId
from suanlian.model.job import Input, JobState
from suanlian.model.protocol import Wish
from suanlian.testing.fake_driver import Ending, FakeDriver
from tests.agent.bench import Bench, Crash, CrashingLedger, run, spec, then


def script(work: Work, index: int) -> Ending:
    del index
    staged = next(iter(work.staged.values()))
    assert (staged / "in.txt").read_text() == "whole"
    return Ending(after_s=150, stdout=b"o" * 1000, stderr=b"e", files={"z": b"3"})


class CrashingEngine(FakeDriver):
    """Kills the agent right after the engine did what the n-th call asked for."""

    left = 0

    def _after(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Crash

    def submit(self, work: Work, *, keys: dict[int, AttemptId]) -> dict[int, NativeId]:  # type: ignore[override]
        made = super().submit(work, keys=keys)
        self._after()
        return dict(made)

    def cancel(self, native_id: NativeId) -> None:
        super().cancel(native_id)
        self._after()

    def forget(self, native_id: NativeId) -> None:
        super().forget(native_id)
        self._after()


def live(bench: Bench, agent: Agent, attempt: AttemptId) -> None:
    """From the poll to the tombstone; the wish to forget comes when the end was reported."""
    for _round in range(9):
        bench.rounds(agent, 1, seconds=31)
        reports = bench.hub.reports[attempt]
        if reports and reports[-1].ended_at is not None and bench.hub.wishes[-1].wish is not Wish.FORGET:
            bench.hub.wish(then(then(bench.hub.wishes[0], Wish.FORGET), Wish.FORGET))


def check(bench: Bench, attempt: AttemptId, end: JobState) -> None:
    reports = bench.hub.reports[attempt]
    assert {report.state for report in reports if report.ended_at is not None} == {end}
    assert list(bench.engine.known()) == []
    segments = [bench.hub.segments[attempt][n] for n in range(len(bench.hub.segments[attempt]))]
    assert segments[0].started_at == reports[-1].started_at
    assert segments[-1].ended_at == reports[-1].ended_at
    assert [segment.final for segment in segments] == [False] * (len(segments) - 1) + [True]
    for before, after in pairwise(segments):
        assert before.ended_at == after.started_at
    assert bench.hub.faults == []


# before: what was done is not journalled, the graver case; just after: every other change will do
MOMENTS = [(at, False) for at in range(1, 24)] + [(at, True) for at in range(1, 24, 2)]


@pytest.mark.parametrize(("at", "after"), MOMENTS)
def test_a_crash_at_any_change_of_the_ledger_changes_nothing(tmp_path: Path, at: int, after: bool) -> None:  # noqa: FBT001 - a parameter of the test
    with Bench(tmp_path, script=script) as bench:
        said = run(spec(inputs=(Input(path="in.txt", content="whole"),), outputs=("z",)))
        bench.hub.wish(said)
        try:
            live(bench, bench.agent(CrashingLedger(bench.home.ledger, at, after=after)), said.attempt_id)
            crashed = False
        except Crash:
            crashed = True
        # the last changes of a life are few or more, as the clock falls; a life without a crash is checked as well
        assert crashed or at > 15
        live(bench, bench.agent(), said.attempt_id)
        assert bench.engine.starts == {said.attempt_id: 1}
        assert bench.hub.logs[said.attempt_id, "stdout"] == b"o" * 1000
        assert bench.hub.outputs[said.attempt_id] == {"z": b"3"}
        check(bench, said.attempt_id, JobState.COMPLETE)


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("wish", [Wish.RUN, Wish.CANCEL])
def test_a_crash_right_after_the_engine_did_it_changes_nothing(tmp_path: Path, at: int, wish: Wish) -> None:
    with Bench(tmp_path) as bench:
        engine = bench.engine = CrashingEngine(tmp_path / "e", script=script, clock=bench.clock)
        engine.left = at
        said = run(spec(inputs=(Input(path="in.txt", content="whole"),), outputs=("z",)))
        bench.hub.wish(said)
        agent = bench.agent()
        try:
            bench.rounds(agent, 2)
        except Crash:
            agent = bench.agent()
        bench.hub.wish(then(said, wish))
        try:
            live(bench, agent, said.attempt_id)
        except Crash:
            live(bench, bench.agent(), said.attempt_id)
        assert engine.starts == {said.attempt_id: 1}
        check(bench, said.attempt_id, JobState.CANCELED if wish is Wish.CANCEL else JobState.COMPLETE)


def test_segments_follow_each_other_over_restarts(tmp_path: Path) -> None:
    with Bench(tmp_path, script=lambda _work, _index: Ending(after_s=400)) as bench:
        said = run()
        bench.hub.wish(said)
        for _life in range(8):
            bench.rounds(bench.agent(), 2, seconds=35)
        assert len(bench.hub.segments[said.attempt_id]) >= 5
        assert max(s.ended_at - s.started_at for s in bench.hub.segments[said.attempt_id].values()).seconds <= 106
        bench.hub.wish(then(said, Wish.FORGET))
        bench.rounds(bench.agent(), 2)
        check(bench, said.attempt_id, JobState.COMPLETE)


def test_a_lost_ledger_is_filled_by_the_hub_and_only_what_nobody_knows_is_ended(tmp_path: Path) -> None:
    with Bench(tmp_path, script=lambda _work, _index: Ending(after_s=1000)) as bench:
        known, orphan = run(), run()
        bench.hub.wish(known, orphan)
        bench.rounds(bench.agent(), 3)
        for file in bench.home.root.glob("ledger.sqlite3*"):
            file.unlink()
        bench.hub.wishes.remove(orphan)
        agent = bench.agent()
        assert agent.sweep() == 0
        bench.rounds(agent, 3)
        assert agent.sweep() == 1
        assert agent.sweep() == 0
        assert [attempt for _native, attempt in bench.engine.known()] == [known.attempt_id]
        assert bench.engine.starts == {known.attempt_id: 1, orphan.attempt_id: 1}
