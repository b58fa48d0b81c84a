"""Does an attempt come from the poll to its tombstone, once, whatever is lost, doubled, called off or refused?"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.agent.fetch import Fetcher
from suanlian.agent.row import Step, first_row, told
from suanlian.drivers.contract import DriverError, Work
from suanlian.model.job import Input, JobState
from suanlian.model.protocol import Verdict, Wish
from suanlian.model.quantity import Resources
from suanlian.testing.fake_driver import Ending, Script
from suanlian.testing.fake_hub import Mischief
from tests.agent.bench import Bench, run, sha256, spec, then


def lasts(seconds: float, **changes: Any) -> Script:  # noqa: ANN401 - the fields of an Ending
    return lambda _work, _index: Ending(after_s=seconds, **changes)


def test_a_job_comes_in_runs_and_comes_back_whole(tmp_path: Path) -> None:
    seen: list[Work] = []

    def script(work: Work, index: int) -> Ending:
        del index
        seen.append(work)
        staged = next(iter(work.staged.values()))
        assert (staged / "in/a.txt").read_text() == "hello"
        assert (staged / "b.bin").read_bytes() == b"object"
        return Ending(after_s=2, stdout=b"out", stderr=b"err", files={"r/x": b"1", "r/y": b"22", "z": b"3"})

    with Bench(tmp_path, script=script) as bench:
        bench.hub.objects[sha256(b"object")] = b"object"
        inputs = (Input(path="in/a.txt", content="hello"), Input(path="b.bin", object=True, sha256=sha256(b"object")))
        said = run(spec(inputs=inputs, outputs=("r", "z"), env={"A": "b"}, array_size=3), task_index=2)
        bench.hub.wish(said)
        agent = bench.agent()
        assert agent.publish()
        assert not agent.publish()
        bench.rounds(agent)
        end = bench.hub.last(said.attempt_id)
        assert end.state is JobState.COMPLETE
        assert end.outcome.exit_code == 0
        assert {file.path: file.size for file in end.outcome.outputs} == {"r/x": 1, "r/y": 2, "z": 1}
        assert bench.hub.outputs[said.attempt_id] == {"r/x": b"1", "r/y": b"22", "z": b"3"}
        assert bench.hub.logs[said.attempt_id, "stdout"] == b"out"
        assert bench.hub.logs[said.attempt_id, "stderr"] == b"err"
        told = {"SUANLIAN_TASK_INDEX": "2", "SUANLIAN_ARRAY_SIZE": "3", "SUANLIAN_ATTEMPT": "1"}
        assert dict(seen[0].env) == {"A": "b"} | told
        (segment,) = bench.hub.segments[said.attempt_id].values()
        assert (segment.started_at, segment.ended_at, segment.final) == (end.started_at, end.ended_at, True)
        bench.hub.wish(then(said, Wish.FORGET))
        bench.rounds(agent, 2)
        row = agent.desk.ledger.row(said.attempt_id)
        assert row is not None
        assert row.step is Step.FORGOTTEN
        assert agent.desk.ledger.instruction(said.attempt_id) is None
        assert list(bench.engine.known()) == []
        assert list(bench.home.staging.iterdir()) == []


def test_a_doubled_instruction_starts_once_also_after_it_was_forgotten(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        said, agent = run(), bench.agent()
        bench.hub.wish(said, said)
        bench.rounds(agent)
        bench.hub.wish(said, then(said, Wish.FORGET))
        bench.rounds(agent)
        bench.hub.wish(said)
        bench.rounds(agent)
        assert bench.engine.starts == {said.attempt_id: 1}


def test_an_instruction_with_another_token_changes_nothing(tmp_path: Path) -> None:
    with Bench(tmp_path, script=lasts(100)) as bench:
        said, agent = run(), bench.agent()
        bench.hub.wish(said, then(said, Wish.CANCEL).model_copy(update={"token": 8}))
        bench.rounds(agent, 3)
        assert bench.hub.last(said.attempt_id).state is JobState.RUNNING


@pytest.mark.parametrize("name", ["poll", "report", "usage", "logs", "outputs", "inventory"])
@pytest.mark.parametrize("what", [Mischief.LOST, Mischief.BROKEN])
def test_a_lost_answer_heals(tmp_path: Path, name: str, what: Mischief) -> None:
    with Bench(tmp_path, script=lasts(1, stdout=b"out", files={"z": b"3"})) as bench:
        said, agent = run(spec(outputs=("z",))), bench.agent()
        bench.hub.mischief(name, what)
        bench.hub.wish(said)
        if name == "poll":
            with pytest.raises(Exception, match=r"did not answer|no"):
                agent.poll(0)
        agent.publish()
        bench.rounds(agent, 8)
        assert bench.hub.last(said.attempt_id).state is JobState.COMPLETE
        assert bench.hub.logs[said.attempt_id, "stdout"] == b"out"
        assert bench.hub.outputs[said.attempt_id] == {"z": b"3"}
        assert bench.engine.starts == {said.attempt_id: 1}
        assert [segment.final for segment in bench.hub.segments[said.attempt_id].values()] == [True]


@pytest.mark.parametrize(
    ("wish", "state"), [(Wish.CANCEL, JobState.CANCELED), (Wish.RECALL, JobState.PREEMPTED)], ids=str
)
def test_what_has_not_started_ends_without_a_start(tmp_path: Path, wish: Wish, state: JobState) -> None:
    with Bench(tmp_path) as bench:
        said, agent = run(), bench.agent()
        bench.hub.wish(said)
        agent.poll(0)
        bench.hub.wish(then(said, wish))
        bench.rounds(agent, 2)
        end = bench.hub.last(said.attempt_id)
        assert end.state is state
        assert end.ended_at is not None
        assert bench.engine.starts == {}


@pytest.mark.parametrize("wish", [Wish.CANCEL, Wish.RECALL])
def test_a_wish_for_an_attempt_that_was_never_heard_of_is_answered(tmp_path: Path, wish: Wish) -> None:
    with Bench(tmp_path) as bench:
        said, agent = run(), bench.agent()
        bench.hub.wish(then(said, wish))
        bench.rounds(agent, 2)
        assert bench.hub.last(said.attempt_id).state in (JobState.CANCELED, JobState.PREEMPTED)
        assert bench.engine.starts == {}


def test_what_runs_is_cancelled_and_billed_until_then(tmp_path: Path) -> None:
    with Bench(tmp_path, script=lasts(1000)) as bench:
        said, agent = run(), bench.agent()
        bench.hub.wish(said)
        bench.rounds(agent, 2)
        bench.hub.wish(then(said, Wish.CANCEL))
        bench.rounds(agent, 3)
        end = bench.hub.last(said.attempt_id)
        assert end.state is JobState.CANCELED
        assert end.ended_at is not None
        assert end.ended_at < bench.clock.now - timedelta(seconds=1)
        assert bench.hub.segments[said.attempt_id][0].ended_at == end.ended_at


def writes(files: dict[str, bytes]) -> Script:
    """A job that has made these when it is cancelled."""

    def script(work: Work, _index: int) -> Ending:
        del work
        return Ending(after_s=1000, made=files)

    return script


def test_what_a_cancelled_job_had_made_comes_back(tmp_path: Path) -> None:
    with Bench(tmp_path, script=writes({"a": b"1", "d/b": b"22", "other": b"3"})) as bench:
        said, agent = run(spec(outputs=("a", "d", "never"))), bench.agent()
        bench.hub.wish(said)
        bench.rounds(agent, 2)
        bench.hub.wish(then(said, Wish.CANCEL))
        bench.rounds(agent, 3)
        end = bench.hub.last(said.attempt_id)
        assert end.state is JobState.CANCELED
        assert bench.hub.outputs[said.attempt_id] == {"a": b"1", "d/b": b"22"}
        assert {file.path for file in end.outcome.outputs} == {"a", "d/b"}
        assert end.outcome.reason == "canceled; not brought: output 'never' is missing"


def test_of_a_cancelled_job_no_more_is_sent_than_its_end_may_wait_for(tmp_path: Path) -> None:
    big = bytes(15 * 1024 * 1024)
    with Bench(tmp_path, script=writes({f"d/{n}": big for n in range(5)})) as bench:
        said, agent = run(spec(outputs=("d",))), bench.agent()
        bench.hub.wish(said)
        bench.rounds(agent, 2)
        bench.hub.wish(then(said, Wish.CANCEL))
        bench.rounds(agent, 3)
        end = bench.hub.last(said.attempt_id)
        assert end.state is JobState.CANCELED
        assert len(bench.hub.outputs[said.attempt_id]) == 4
        assert end.outcome.reason.endswith("not brought: more than 64 MiB of outputs")


def test_a_cancelled_job_stays_cancelled_where_its_outputs_are_refused(tmp_path: Path) -> None:
    with Bench(tmp_path, script=writes({"a": b"1"})) as bench:
        said, agent = run(spec(outputs=("a",))), bench.agent()
        bench.hub.wish(said)
        bench.rounds(agent, 2)
        bench.hub.mischief("outputs", Mischief.REFUSED)
        bench.hub.wish(then(said, Wish.CANCEL))
        bench.rounds(agent, 3)
        assert bench.hub.last(said.attempt_id).state is JobState.CANCELED


def test_a_recall_of_what_runs_lets_it_run(tmp_path: Path) -> None:
    with Bench(tmp_path, script=lasts(4)) as bench:
        said, agent = run(), bench.agent()
        bench.hub.wish(said)
        bench.rounds(agent, 2)
        bench.hub.wish(then(said, Wish.RECALL))
        bench.rounds(agent, 6)
        assert bench.hub.last(said.attempt_id).state is JobState.COMPLETE


def test_a_stale_attempt_is_stopped_forgotten_and_never_reported_again(tmp_path: Path) -> None:
    with Bench(tmp_path, script=lasts(1000)) as bench:
        said, agent = run(), bench.agent()
        bench.hub.wish(said)
        bench.hub.verdicts[said.attempt_id] = Verdict.STALE
        bench.rounds(agent, 4)
        assert len(bench.hub.reports[said.attempt_id]) == 1
        assert list(bench.engine.known()) == []
        row = agent.desk.ledger.row(said.attempt_id)
        assert row is not None
        assert row.step is Step.FORGOTTEN


def test_a_lost_job_is_the_platforms_fault_and_billed_no_further_than_it_was_seen(tmp_path: Path) -> None:
    with Bench(tmp_path, script=lasts(1000)) as bench:
        said, agent = run(), bench.agent()
        bench.hub.wish(said)
        bench.rounds(agent, 3, seconds=61)
        before = bench.clock.now
        bench.engine.lose(next(native for native, _key in bench.engine.known()))
        bench.rounds(agent, 2, seconds=61)
        end = bench.hub.last(said.attempt_id)
        assert end.state is JobState.SYSTEM_ERROR
        assert end.ended_at is not None
        assert end.ended_at < before


@pytest.mark.parametrize(
    ("policy", "changes", "state", "reason"),
    [
        ('entities = ["other"]', {}, JobState.PREEMPTED, "owner_refuses: entity"),
        ("paused = true", {}, JobState.PREEMPTED, "paused"),
        ("", {"granted": Resources.of({"cpu": 3000, "memory": 1024})}, JobState.PREEMPTED, "2 core free here"),
        ("", {"granted": Resources.of({"cpu": 5000})}, JobState.SYSTEM_ERROR, "more than a node"),
        ("", {"share": "h2"}, JobState.PREEMPTED, "no share 'h2'"),
        ("", {"variant": 3}, JobState.SYSTEM_ERROR, "variant 3"),
        ("", {"spec": None}, JobState.SYSTEM_ERROR, "brought no job"),
    ],
)
def test_the_owners_policy_is_asked_again(
    tmp_path: Path, policy: str, changes: dict[str, object], state: JobState, reason: str
) -> None:
    with Bench(tmp_path, policy=policy) as bench:
        said, agent = run().model_copy(update=changes), bench.agent()
        bench.hub.wish(said)
        bench.rounds(agent, 2)
        end = bench.hub.last(said.attempt_id)
        assert end.state is state
        assert reason in end.outcome.reason
        assert bench.engine.starts == {}


def test_no_more_is_admitted_than_the_share_holds(tmp_path: Path) -> None:
    with Bench(tmp_path, script=lasts(1000)) as bench:
        said, agent = [run() for _each in range(3)], bench.agent()
        bench.hub.wish(*said)
        bench.rounds(agent, 3)
        states = sorted(bench.hub.last(each.attempt_id).state for each in said)
        assert states == [JobState.PREEMPTED, JobState.RUNNING, JobState.RUNNING]


def test_without_isolation_only_the_owners_own_jobs_run(tmp_path: Path) -> None:
    with Bench(tmp_path, policy='own_entity = "mine"') as bench:
        bench.engine._isolated = False  # noqa: SLF001 - the fake has no other way to change it
        mine, others = run(entity="mine"), run()
        bench.hub.wish(mine, others)
        bench.rounds(bench.agent())
        assert bench.hub.last(mine.attempt_id).state is JobState.COMPLETE
        assert bench.hub.last(others.attempt_id).state is JobState.PREEMPTED


def test_an_engine_in_trouble_is_tried_again_and_a_refusal_ends_the_attempt(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        first, second, agent = run(), run(), bench.agent()
        bench.hub.wish(first)
        bench.engine.trouble = DriverError("busy", transient=True)
        bench.rounds(agent, 2)
        assert bench.hub.last(first.attempt_id).state is JobState.INITIALIZING
        bench.engine.trouble = None
        bench.rounds(agent, 6)
        assert bench.hub.last(first.attempt_id).state is JobState.COMPLETE
        bench.engine.trouble = DriverError("no such image")
        bench.hub.wish(second)
        bench.rounds(agent, 2)
        assert bench.hub.last(second.attempt_id).outcome.reason == "engine_failed: no such image"


def test_a_missing_output_is_the_programs_fault_and_named(tmp_path: Path) -> None:
    with Bench(tmp_path, script=lasts(0, files={"a": b"1"})) as bench:
        said, agent = run(spec(outputs=("a", "b"))), bench.agent()
        bench.hub.wish(said)
        bench.rounds(agent)
        end = bench.hub.last(said.attempt_id)
        assert end.state is JobState.EXECUTOR_ERROR
        assert "output 'b' is missing" in end.outcome.reason
        assert [file.path for file in end.outcome.outputs] == ["a"]


def test_a_program_that_failed_brings_what_it_left(tmp_path: Path) -> None:
    script = lasts(0, state=JobState.EXECUTOR_ERROR, exit_code=3, files={"a": b"1"}, limit="memory", reason="x\x1b[2J")
    with Bench(tmp_path, script=script) as bench:
        said, agent = run(spec(outputs=("a", "b"))), bench.agent()
        bench.hub.wish(said)
        bench.rounds(agent)
        outcome = bench.hub.last(said.attempt_id).outcome
        assert (outcome.exit_code, outcome.limit, outcome.reason) == (3, "memory", "x [2J")
        assert bench.hub.outputs[said.attempt_id] == {"a": b"1"}


def test_a_refused_output_fails_the_attempt_and_not_the_agent(tmp_path: Path) -> None:
    with Bench(tmp_path, script=lasts(0, files={"a": b"1"})) as bench:
        said, agent = run(spec(outputs=("a",))), bench.agent()
        bench.hub.mischief("outputs", Mischief.REFUSED)
        bench.hub.wish(said)
        bench.rounds(agent)
        assert bench.hub.last(said.attempt_id).state is JobState.SYSTEM_ERROR


def test_what_cannot_be_prepared_for_a_reason_that_nobody_foresaw_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it holds is paid by nobody meanwhile, so it must not be held for ever."""

    def fetch(*_asked: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Fetcher, "fetch", fetch)
    with Bench(tmp_path) as bench:
        fetched = Input(path="a", url="https://example.org/x", sha256=sha256(b"x"))
        said = run(spec(inputs=(fetched,)))
        bench.hub.wish(said)
        bench.rounds(bench.agent(), 12, seconds=61)
        end = bench.hub.last(said.attempt_id)
        assert end.state is JobState.SYSTEM_ERROR
        assert end.outcome.reason.startswith("engine_failed")


def test_a_ledger_that_was_lost_is_heard_all_the_same(tmp_path: Path) -> None:
    """The hub has had eleven reports of it: only what has a higher version is news to it."""
    with Bench(tmp_path, script=lasts(2)) as bench:
        said = run(reported=11)
        bench.hub.wish(said)
        bench.rounds(bench.agent())
        versions = [report.version for report in bench.hub.reports[said.attempt_id]]
        assert min(versions) == 12
        assert bench.hub.last(said.attempt_id).state is JobState.COMPLETE


@given(st.sampled_from(Step), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_the_next_report_is_news_to_the_hub_and_none_is_taken_back(
    step: Step, version: int, answered: int, reported: int
) -> None:
    said = run(reported=reported)
    before = first_row(run()).with_(step=step, report_version=max(version, answered), answered_version=answered)
    after = told(before, said)
    assert after == told(after, said), "once is enough"
    assert after.report_version >= max(before.report_version, min(reported, before.report_version))
    assert reported <= before.report_version or after.report_version > reported
    assert (after.step, after.answered_version) == (before.step, answered)
