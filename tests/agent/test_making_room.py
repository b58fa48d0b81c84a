"""Wishes in any order at any step; an end after the signal; checkpoints that are whole; drains and downtimes."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.agent.agent import Agent
from suanlian.agent.reconcile import Move, decide
from suanlian.agent.row import AFTER, Step, first_row, told
from suanlian.agent.word import set_drain
from suanlian.drivers.contract import Fault, Limits, NativeId, Work
from suanlian.model.job import EndCause, JobState
from suanlian.model.platform import Drain
from suanlian.model.protocol import Instruction, Wish
from suanlian.model.quantity import Resources
from suanlian.testing.fake_driver import Ending, LivelyDriver
from tests.agent.bench import START, Bench, Crash, CrashingLedger, run, spec, then

STATE = {"state/a": b"1" * 9, "state/in/b": b"2"}
SAVES = Ending(after_s=2, exit_code=0, files=STATE)
DEAF = Ending(after_s=100_000, files=None)
KEEPS = {"path": "state", "signal": "USR1", "grace_s": 20}
ENDING = {Wish.PREEMPT, Wish.CANCEL, Wish.FORGET}


def lively(bench: Bench, root: Path, ending: Ending) -> LivelyDriver:
    driver = LivelyDriver(root / "lively", script=lambda _work, _index: ending, clock=bench.clock)
    bench.engine = driver
    return driver


def checkpointed(**changes: object) -> Instruction:
    return run(spec(checkpoint={**KEEPS, **changes}))


def wish(bench: Bench, said: Instruction, what: Wish) -> Instruction:
    """As the hub says it: with the job where it comes with one."""
    with_job = what in (Wish.RUN, Wish.PAUSE, Wish.PREEMPT)
    now = then(said, what).model_copy(update={"spec": said.spec if with_job else None})
    bench.hub.wish(now)
    return now.model_copy(update={"spec": said.spec})


def test_what_may_be_wished_after_what_is_said_of_every_wish() -> None:
    assert set(AFTER) == set(Wish)
    assert all(wish not in following for wish, following in AFTER.items())
    assert Wish.RUN in AFTER[Wish.PAUSE]
    assert Wish.PAUSE in AFTER[Wish.RUN]
    for ending in ENDING:
        assert AFTER[ending] <= ENDING - {Wish.PREEMPT}


@given(st.lists(st.sampled_from(Wish), max_size=8))
def test_nothing_is_called_back_from_an_end(wishes: list[Wish]) -> None:
    said = run()
    row, ended = first_row(said), False
    for version, what in enumerate(wishes, start=2):
        row = told(row, said.model_copy(update={"wish": what, "version": version}))
        assert row.wish_version == version
        ended = ended or row.wish in ENDING
        assert not ended or row.wish in ENDING


@pytest.mark.parametrize(("step", "what"), list(product(Step, Wish)))
def test_every_wish_at_every_step_has_a_move_that_leads_on(step: Step, what: Wish) -> None:
    """Nothing is started that is not wished; nothing that is to end waits for ever."""
    row = first_row(checkpointed()).with_(step=step, wish=what, started_at=START, state=JobState.RUNNING)
    move = decide(row, paused=False, now=START)
    if what is not Wish.RUN:
        assert move not in (Move.ADMIT, Move.STAGE, Move.SUBMIT)
    if step is Step.STARTED:
        wanted = {
            Wish.RUN: Move.WAIT,
            Wish.RECALL: Move.WAIT,
            Wish.PAUSE: Move.SUSPEND,
            Wish.PREEMPT: Move.SIGNAL,
            Wish.CANCEL: Move.STOP,
            Wish.FORGET: Move.STOP,
        }
        assert move is wanted[what]
    if step in (Step.RECEIVED, Step.STAGING) and what is not Wish.RUN:
        assert move is (Move.FORGET if what is Wish.FORGET else Move.GIVE_UP)
    if step is Step.SUBMITTING and what is not Wish.RUN:
        assert move is Move.FIND


HEARD: dict[tuple[Wish, bool], JobState | None] = {
    (Wish.RUN, True): JobState.RUNNING,
    (Wish.RUN, False): JobState.RUNNING,
    (Wish.PAUSE, True): JobState.PAUSED,
    (Wish.PAUSE, False): JobState.PREEMPTED,
    (Wish.PREEMPT, True): JobState.PREEMPTED,
    (Wish.PREEMPT, False): JobState.PREEMPTED,
    (Wish.CANCEL, True): JobState.CANCELED,
    (Wish.CANCEL, False): JobState.CANCELED,
    (Wish.RECALL, True): JobState.RUNNING,
    (Wish.RECALL, False): JobState.PREEMPTED,
}


@pytest.mark.parametrize(("what", "is_there"), list(HEARD))
def test_a_wish_that_is_the_first_word_of_an_attempt_is_understood(tmp_path: Path, what: Wish, is_there: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """The ledger was lost; the engine has the job, or never had it."""
    with Bench(tmp_path) as bench:
        engine = lively(bench, tmp_path, Ending(after_s=100_000, on_signal=SAVES))
        said = checkpointed()
        if is_there:
            engine.submit(_work(), keys={0: said.attempt_id})
        wish(bench, said, what)
        agent = bench.agent()
        bench.rounds(agent, 8)
        assert bench.hub.last(said.attempt_id).state is HEARD[what, is_there]
        assert engine.starts.get(said.attempt_id, 0) == (1 if is_there or what is Wish.RUN else 0)


def _work() -> Work:
    """Anything that runs."""
    return Work(
        command=("x",),
        environment="python",
        image=None,
        env={},
        granted=Resources.of({"cpu": 1000}),
        limits=Limits(wall_time_s=60),
        network=False,
        staged={},
    )


@pytest.mark.parametrize("is_there", [False, True])
def test_a_fenced_attempt_is_ended_and_told_to_be_gone(tmp_path: Path, is_there: bool) -> None:  # noqa: FBT001 - a parameter of the test
    with Bench(tmp_path) as bench:
        engine = lively(bench, tmp_path, DEAF)
        said = checkpointed()
        if is_there:
            engine.submit(_work(), keys={0: said.attempt_id})
        fenced = then(said, Wish.FORGET).model_copy(update={"fenced": True})
        bench.hub.wish(fenced)
        agent = bench.agent()
        bench.rounds(agent, 6)
        assert list(engine.known()) == []
        assert bench.hub.gone == [said.attempt_id]
        # told once more by a hub that did not hear it: said once more
        bench.hub.wish(fenced)
        bench.rounds(agent, 2)
        assert bench.hub.gone == [said.attempt_id] * 2


def test_a_program_that_saves_and_ends_well_was_preempted(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        engine = lively(bench, tmp_path, Ending(after_s=100_000, on_signal=SAVES))
        said = checkpointed()
        bench.hub.wish(said)
        agent = bench.agent()
        bench.rounds(agent, 2)
        wish(bench, said, Wish.PREEMPT)
        bench.rounds(agent, 8)
        end = bench.hub.last(said.attempt_id)
        assert (end.state, end.outcome.cause, end.outcome.exit_code) == (JobState.PREEMPTED, EndCause.PREEMPTED, 0)
        assert bench.hub.checkpoints[said.attempt_id] == [STATE]
        assert {file.path: file.size for file in end.outcome.checkpoint} == {"state/a": 9, "state/in/b": 1}
        assert engine.signals(NativeId(said.attempt_id)) == ("USR1",)


def test_one_that_ended_before_the_signal_ended_by_itself(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        lively(bench, tmp_path, Ending(after_s=1))
        said = checkpointed()
        bench.hub.wish(said)
        agent = bench.agent()
        bench.rounds(agent, 2, seconds=0.2)
        bench.clock.forward(60)
        wish(bench, said, Wish.PREEMPT)
        bench.rounds(agent, 5)
        assert bench.hub.last(said.attempt_id).state is JobState.COMPLETE


def test_one_that_does_not_listen_is_ended_after_its_grace_and_nothing_torn_is_kept(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        torn = Ending(after_s=100_000, files={"state/torn": b"x"})
        engine = lively(bench, tmp_path, torn)
        said = checkpointed()
        bench.hub.wish(said)
        agent = bench.agent()
        bench.rounds(agent, 2)
        (engine.working_directory(NativeId(said.attempt_id)) / "state").mkdir()
        (engine.working_directory(NativeId(said.attempt_id)) / "state" / "torn").write_bytes(b"half")
        wish(bench, said, Wish.PREEMPT)
        bench.rounds(agent, 15)
        assert bench.hub.last(said.attempt_id).state is JobState.RUNNING
        bench.rounds(agent, 12)
        end = bench.hub.last(said.attempt_id)
        assert end.state is JobState.PREEMPTED
        assert "did not end within 20 s" in end.outcome.reason
        assert bench.hub.checkpoints[said.attempt_id] == []


def test_what_stands_still_goes_on_before_it_hears_the_signal(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        lively(bench, tmp_path, Ending(after_s=100_000, on_signal=SAVES))
        said = checkpointed()
        bench.hub.wish(said)
        agent = bench.agent()
        bench.rounds(agent, 2)
        now = wish(bench, said, Wish.PAUSE)
        bench.rounds(agent, 3)
        assert bench.hub.last(said.attempt_id).state is JobState.PAUSED
        now = wish(bench, now, Wish.RUN)
        bench.rounds(agent, 3)
        assert bench.hub.last(said.attempt_id).state is JobState.RUNNING
        now = wish(bench, now, Wish.PAUSE)
        bench.rounds(agent, 3)
        wish(bench, now, Wish.PREEMPT)
        bench.rounds(agent, 8)
        assert bench.hub.last(said.attempt_id).state is JobState.PREEMPTED
        assert bench.hub.checkpoints[said.attempt_id] == [STATE]


def test_a_cancel_wins_over_a_move(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        lively(bench, tmp_path, Ending(after_s=100_000, on_signal=Ending(after_s=6, files=STATE)))
        said = checkpointed()
        bench.hub.wish(said)
        agent = bench.agent()
        bench.rounds(agent, 2)
        now = wish(bench, said, Wish.PREEMPT)
        bench.rounds(agent, 2)
        wish(bench, now, Wish.CANCEL)
        bench.rounds(agent, 10)
        assert bench.hub.last(said.attempt_id).state is JobState.CANCELED


@pytest.mark.parametrize("at", range(1, 22))
def test_a_crash_at_any_change_while_it_makes_room_costs_nothing(tmp_path: Path, at: int) -> None:
    with Bench(tmp_path) as bench:
        engine = lively(bench, tmp_path, Ending(after_s=100_000, on_signal=SAVES))
        said = checkpointed()
        bench.hub.wish(said)
        wish(bench, said, Wish.RUN)

        def live(agent: Agent) -> None:
            bench.rounds(agent, 3)
            if not any(one.wish is Wish.PREEMPT for one in bench.hub.wishes):
                wish(bench, bench.hub.wishes[-1].model_copy(update={"spec": said.spec}), Wish.PREEMPT)
            bench.rounds(agent, 8)

        with suppress(Crash):
            live(bench.agent(CrashingLedger(bench.home.ledger, at, after=False)))
        live(bench.agent())
        end = bench.hub.last(said.attempt_id)
        assert (end.state, end.outcome.cause) == (JobState.PREEMPTED, EndCause.PREEMPTED)
        assert bench.hub.checkpoints[said.attempt_id][-1] == STATE
        assert engine.starts == {said.attempt_id: 1}
        # a crash may cost a second signal, never a second grace
        assert 1 <= len(engine.signals(NativeId(said.attempt_id))) <= 2


def test_a_checkpoint_is_taken_while_it_runs_when_it_changed_and_is_whole(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        engine = lively(bench, tmp_path, DEAF)
        said = checkpointed(every_s=10)
        bench.hub.wish(said)
        agent = bench.agent()
        bench.rounds(agent, 2)
        folder = engine.working_directory(NativeId(said.attempt_id)) / "state"
        bench.rounds(agent, 2, seconds=11)
        assert bench.hub.checkpoints[said.attempt_id] == []
        folder.mkdir()
        (folder / "a").write_bytes(b"1")
        (folder / "link").symlink_to("/etc/passwd")
        bench.rounds(agent, 4, seconds=11)
        assert bench.hub.checkpoints[said.attempt_id] == [{"state/a": b"1"}]
        (folder / "a").write_bytes(b"22")
        bench.rounds(agent, 4, seconds=11)
        assert bench.hub.checkpoints[said.attempt_id] == [{"state/a": b"1"}, {"state/a": b"22"}]
        folder.rename(folder.parent / "gone")
        folder.symlink_to("/etc")
        bench.rounds(agent, 4, seconds=11)
        assert len(bench.hub.checkpoints[said.attempt_id]) == 2


FAULTS: dict[Fault, tuple[JobState, EndCause, str]] = {
    Fault.PREEMPTED: (JobState.PREEMPTED, EndCause.PREEMPTED, "preempted: why"),
    Fault.NODE: (JobState.SYSTEM_ERROR, EndCause.PLATFORM, "engine_failed: why"),
    Fault.IMAGE: (JobState.SYSTEM_ERROR, EndCause.IMAGE, "image_unusable: why"),
    Fault.REQUEST: (JobState.PREEMPTED, EndCause.REFUSED, "engine_refuses: why"),
}


@pytest.mark.parametrize("fault", Fault)
def test_an_engines_fault_is_told_by_its_cause(tmp_path: Path, fault: Fault) -> None:
    with Bench(tmp_path) as bench:
        lively(bench, tmp_path, Ending(after_s=1, state=JobState.SYSTEM_ERROR, reason="why", fault=fault))
        said = checkpointed()
        bench.hub.wish(said)
        bench.rounds(bench.agent(), 6)
        end = bench.hub.last(said.attempt_id)
        assert (end.state, end.outcome.cause, end.outcome.reason) == FAULTS[fault]


Emptied = Callable[[Bench, Agent], None]


def _by_drain(bench: Bench, agent: Agent) -> None:
    set_drain(agent.desk.ledger, Drain(since=bench.clock(), by=START + timedelta(minutes=10), why="roof"))


def _by_calendar(bench: Bench, agent: Agent) -> None:
    del agent
    start, end = START + timedelta(minutes=10), START + timedelta(hours=2)
    text = bench.home.config.read_text()
    told = f'\n[[policy.downtime]]\nstart = "{start.isoformat()}"\nend = "{end.isoformat()}"\nnote = "roof"\n'
    bench.home.config.write_text(text + told)


@pytest.mark.parametrize("empty", [_by_drain, _by_calendar])
def test_all_is_out_at_the_time_that_was_said(tmp_path: Path, empty: Emptied) -> None:
    with Bench(tmp_path) as bench:
        lively(bench, tmp_path, Ending(after_s=100_000, on_signal=SAVES))
        said = checkpointed()
        bench.hub.wish(said)
        agent = bench.agent()
        bench.rounds(agent, 3)
        empty(bench, agent)
        agent.look()
        bench.clock.now = START + timedelta(minutes=10) - timedelta(seconds=60 + 20 + 10)
        bench.rounds(agent, 3)
        assert bench.hub.last(said.attempt_id).state is JobState.RUNNING
        bench.rounds(agent, 14)
        end = bench.hub.last(said.attempt_id)
        assert end.state is JobState.PREEMPTED
        assert "roof" in end.outcome.reason
        assert end.ended_at is not None
        assert end.ended_at < START + timedelta(minutes=9)
        assert bench.hub.checkpoints[said.attempt_id] == [STATE]


def test_a_drained_platform_takes_nothing_and_says_so(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        lively(bench, tmp_path, DEAF)
        agent = bench.agent()
        drain = Drain(since=bench.clock(), why="roof")
        set_drain(agent.desk.ledger, drain)
        said: Any = checkpointed()
        bench.hub.wish(said)
        bench.rounds(agent, 4)
        assert bench.hub.last(said.attempt_id).state is JobState.PREEMPTED
        assert bench.hub.accepting[-1] is False
        assert bench.hub.drains[-1] == drain
        set_drain(agent.desk.ledger, None)
        bench.rounds(agent, 2)
        assert bench.hub.accepting[-1] is True
        assert bench.hub.drains[-1] is None
