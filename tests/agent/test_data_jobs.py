"""Does a job find its data where it said, as copies, once all of it is here; and is what it leaves kept?"""

from collections.abc import Mapping
from pathlib import Path

import pytest

from suanlian.agent.agent import Agent
from suanlian.agent.data.saving import kept_path
from suanlian.drivers.contract import Work
from suanlian.model.data import DataUse, LocalData, Saved
from suanlian.model.data_protocol import StorageTask, TaskKind, TaskState
from suanlian.model.job import EndCause, JobState
from suanlian.model.protocol import AttemptReport, Instruction, Wish
from suanlian.testing.fake_driver import Ending
from tests.agent.bench import run, spec, then
from tests.agent.data_bench import FILES, DataBench, Side, pull, read, task, written
from tests.agent.test_data_moves import granted


class Seen:
    """What jobs find in their directories when they begin."""

    def __init__(self, leaves: Mapping[str, bytes] | None = None) -> None:
        self.files: dict[str, bytes] = {}
        self.inodes: set[int] = set()
        self.leaves = dict(leaves or {})

    def __call__(self, work: Work, index: int) -> Ending:
        del index
        staged = next(iter(work.staged.values()))
        self.files = read(staged)
        self.inodes = {file.stat().st_ino for file in staged.rglob("*") if file.is_file()}
        return Ending(after_s=0, files=self.leaves)


def data(said: StorageTask, **changes: object) -> LocalData:
    size = sum(map(len, FILES.values()))
    local = LocalData(
        version_id=said.version_id, replica_id=said.replica_id, dataset="e1/reads@1", path="in/reads",
        storage="lake", place=said.place, files=len(FILES), bytes=size,
    )  # fmt: skip
    return local.model_copy(update=changes)


def reading(*local: LocalData, **changes: object) -> Instruction:
    job = spec(data=tuple(DataUse(dataset="reads@1", path=one.path) for one in local), **changes)
    return run(job, data=local)


def agent_of(side: Side) -> Agent:
    agent = Agent(side.desk())
    agent.look()
    return agent


def lived(bench: DataBench, agent: Agent, said: Instruction, rounds: int = 8) -> AttemptReport:
    bench.hub.wish(said)
    for _round in range(rounds):
        agent.poll(0)
        agent.tick()
        agent.outbox.report()
    return bench.hub.last(said.attempt_id)


def registered(bench: DataBench) -> StorageTask:
    written(bench.a.lake / "in/reads", FILES)
    scanned = bench.wish(bench.a, task(TaskKind.SCAN, place="in/reads"))
    assert bench.ended(scanned, bench.a.keeper()).state is TaskState.DONE
    return scanned


def test_a_job_finds_its_data_as_copies_that_it_may_write_to(tmp_path: Path) -> None:
    seen = Seen()
    with DataBench(tmp_path, script=seen) as bench:
        local = data(registered(bench))
        some = local.model_copy(update={"path": "some", "only": ("a/one.txt", "b")})
        assert lived(bench, agent_of(bench.a), reading(local, some)).state is JobState.COMPLETE
        assert seen.files == {f"in/reads/{path}": content for path, content in FILES.items()} | {
            f"some/{path}": FILES[path] for path in ("a/one.txt", "b/nothing")
        }
        lake = {file.stat().st_ino for file in bench.a.lake.rglob("*") if file.is_file()}
        assert not seen.inodes & lake


def test_a_job_waits_until_its_data_is_here_and_says_how_far_it_is(tmp_path: Path) -> None:
    seen = Seen()
    with DataBench(tmp_path, script=seen) as bench:
        source = granted(bench)
        move = bench.wish(bench.b, pull(source), FILES)
        said, agent, keeper = reading(data(move)), agent_of(bench.b), bench.b.keeper()
        keeper.poll(0)
        report = lived(bench, agent, said)
        assert (report.state, report.outcome.reason) == (
            JobState.INITIALIZING, f"bringing data: 0 of {move.bytes} bytes of e1/reads@1",
        )  # fmt: skip
        assert seen.files == {}
        assert bench.ended(move, keeper).state is TaskState.DONE
        (row,) = agent.desk.ledger.rows()
        agent.desk.change(row, lambda was: was.with_(not_before=None))
        assert lived(bench, agent, said).state is JobState.COMPLETE
        assert len(seen.files) == len(FILES)


def test_a_recall_ends_the_waiting(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        move = bench.wish(bench.b, pull(granted(bench)), FILES)
        said, agent = reading(data(move)), agent_of(bench.b)
        assert lived(bench, agent, said).state is JobState.INITIALIZING
        assert lived(bench, agent, then(said, Wish.RECALL)).state is JobState.PREEMPTED


@pytest.mark.parametrize("change", ["size", "same size", "gone", "link"])
def test_data_that_was_changed_in_place_reaches_no_job(tmp_path: Path, change: str) -> None:
    seen = Seen()
    with DataBench(tmp_path, script=seen) as bench:
        local = data(registered(bench))
        file = bench.a.lake / "in/reads/a/one.txt"
        other = written(tmp_path, {"other": FILES["a/one.txt"]}) / "other"
        file.unlink()
        if change == "link":
            file.symlink_to(other)
        elif change != "gone":
            file.write_bytes(b"x" if change == "size" else bytes(len(FILES["a/one.txt"])))
        agent = agent_of(bench.a)
        report = lived(bench, agent, reading(local))
        assert (report.state, seen.files) == (JobState.PREEMPTED, {})
        assert report.outcome.reason.startswith("engine_refuses: its data is not here as it should be")
        # the next one is not even tried, until the place is verified
        assert lived(bench, agent, reading(local)).state is JobState.PREEMPTED


def test_a_lost_ledger_finds_data_by_what_lies_there(tmp_path: Path) -> None:
    seen = Seen()
    with DataBench(tmp_path, script=seen) as bench:
        source = granted(bench)
        assert lived(bench, agent_of(bench.a), reading(data(source))).state is JobState.COMPLETE
        assert len(seen.files) == len(FILES)
        (bench.a.lake / source.place / "a/one.txt").write_bytes(b"short")
        for name in ("ledger.sqlite3", "data/manifests.sqlite3"):
            for file in bench.a.home.root.glob(f"{name}*"):
                file.unlink()
        bench.hub.wishes.clear()
        assert lived(bench, agent_of(bench.a), reading(data(source))).state is JobState.INITIALIZING


def test_data_in_the_way_of_an_input_is_the_requests_fault(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        local = data(registered(bench))
        for path in ("in", "in/reads/a/one.txt"):
            said = reading(local, inputs=[{"path": path, "content": "x"}])
            report = lived(bench, agent_of(bench.a), said)
            assert (report.state, report.outcome.reason[:12]) == (JobState.SYSTEM_ERROR, "path_escapes")


# ---------------------------------------------------------------- what it leaves


def test_what_a_job_saves_is_set_aside_before_its_end_is_reported_and_kept(tmp_path: Path) -> None:
    seen = Seen({f"out/{path}": content for path, content in FILES.items()})
    with DataBench(tmp_path, script=seen) as bench:
        agent = agent_of(bench.a)
        said = run(spec(save=(Saved(path="out", dataset="made"),), outputs=("out/a/one.txt",)))
        assert lived(bench, agent, said).state is JobState.COMPLETE
        assert bench.hub.outputs[said.attempt_id] == {"out/a/one.txt": FILES["a/one.txt"]}
        lived(bench, agent, then(said, Wish.FORGET))
        folder = kept_path(bench.a.home.kept, said.attempt_id, "out")
        assert read(folder) == FILES
        keeper = bench.a.keeper()
        keep = bench.wish(bench.a, task(TaskKind.KEEP, attempt_id=said.attempt_id, path="out"))
        assert bench.ended(keep, keeper).state is TaskState.DONE
        assert read(bench.a.lake / keep.place) == FILES
        bench.forget(keep, keeper)
        assert list(bench.a.home.kept.iterdir()) == []


def test_a_job_that_lacks_what_it_was_to_leave_did_not_complete(tmp_path: Path) -> None:
    with DataBench(tmp_path, script=Seen({"other/x": b"1"})) as bench:
        report = lived(bench, agent_of(bench.a), run(spec(save=(Saved(path="out", dataset="made"),))))
        assert (report.state, report.outcome.cause) == (JobState.EXECUTOR_ERROR, EndCause.PROGRAM)
        assert "saved path 'out' is missing" in report.outcome.reason


def test_a_job_that_failed_leaves_no_dataset(tmp_path: Path) -> None:
    with DataBench(
        tmp_path, script=lambda _w, _i: Ending(state=JobState.EXECUTOR_ERROR, exit_code=3, files={"out/x": b"1"})
    ) as bench:
        said = run(spec(save=(Saved(path="out", dataset="made"),)))
        assert lived(bench, agent_of(bench.a), said).state is JobState.EXECUTOR_ERROR
        assert not bench.a.home.kept.exists()
