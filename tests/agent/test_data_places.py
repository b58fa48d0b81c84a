"""What lies at a place: registered, verified, changed behind our back, kept from a job, and laid out for one."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.agent.data.row import Step, TaskRow, told
from suanlian.agent.data.saving import kept_path, set_aside
from suanlian.agent.outputs import OutputError
from suanlian.model.data import MAX_FILES_PAGE, Saved, manifest_digest
from suanlian.model.data_protocol import StorageTask, TaskKind, TaskState, TaskWish
from suanlian.model.ids import new_id
from suanlian.testing.fake_hub import Mischief
from tests.agent.data_bench import FILES, DataBench, at, at_once, manifest, read, task, written


def registered(bench: DataBench, folder: str = "in/reads", **changes: object) -> StorageTask:
    return bench.wish(bench.a, task(TaskKind.SCAN, place=folder, **changes))


def test_a_folder_that_the_owner_opened_is_registered_as_it_lies(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        a = bench.a.keeper()
        written(bench.a.lake / "in/reads", FILES)
        scanned = registered(bench)
        end = bench.ended(scanned, a)
        assert (end.state, end.files, end.bytes) == (TaskState.DONE, len(FILES), sum(map(len, FILES.values())))
        assert bench.hub.data.manifest(scanned.id) == manifest(FILES)
        assert end.digest == manifest_digest(manifest(FILES))
        assert read(bench.a.lake) == {f"in/reads/{path}": data for path, data in FILES.items()}


def test_a_large_manifest_is_told_by_pages_and_a_second_reading_by_others(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        a = bench.a.keeper()
        files = {f"{n:05}": b"" for n in range(MAX_FILES_PAGE + 1)}
        written(bench.a.lake / "in/many", files)
        scanned = registered(bench, "in/many")
        bench.ended(scanned, a)
        assert bench.hub.data.manifest(scanned.id) == manifest(files)
        again = bench.hub.data.again(scanned.id, token=2)
        bench.ended(again, bench.a.keeper())
        assert sorted(bench.hub.data.told[scanned.id]) == [1, 2]


def test_a_report_that_the_hub_refuses_holds_up_no_other_and_its_task_is_done_anew(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        a = bench.a.keeper()
        written(bench.a.lake / "in/reads", FILES)
        first, second = registered(bench), registered(bench)
        a.poll(0)
        a.tick(at_once)
        a.tick(at_once)
        bench.hub.mischief("data/report", Mischief.REFUSED, Mischief.REFUSED)  # both, then the first alone
        a.tell()
        assert bench.hub.data.end(first.id) is None
        assert bench.hub.data.end(second.id) is not None
        later = bench.a.keeper()  # what waits between two tries is forgotten with the process
        assert bench.ended(first, later).state is TaskState.DONE
        assert sorted(bench.hub.data.told[first.id]) == [1, 2]


@pytest.mark.parametrize("folder", ["", "out", "in/../out", "in/missing", ".inbox/x"])
def test_no_other_folder_is_registered(tmp_path: Path, folder: str) -> None:
    with DataBench(tmp_path) as bench:
        written(bench.a.lake / "out", FILES)
        end = bench.ended(registered(bench, folder), bench.a.keeper())
        assert (end.state, end.code) == (
            TaskState.FAILED,
            "source_gone" if folder == "in/missing" else "refused",
        )


def test_a_link_in_a_folder_is_refused_by_its_name(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        written(bench.a.lake / "in/reads", FILES)
        (bench.a.lake / "in/reads/a/link").symlink_to("/etc/passwd")
        end = bench.ended(registered(bench), bench.a.keeper())
        assert (end.code, end.path) == ("name_refused", "a/link")


def test_a_file_that_was_changed_in_place_is_not_let_out_until_it_is_read_anew(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        a = bench.a.keeper()
        bench.b.desk()
        folder = written(bench.a.lake / "in/reads", FILES)
        scanned = registered(bench)
        bench.ended(scanned, a)
        assert bench.ended(bench.grant(bench.a, bench.b, FILES, **at(scanned)), a).state is TaskState.DONE
        same_size = bytes(len(FILES["a/one.txt"]))
        written(folder, {"a/one.txt": same_size})
        end = bench.ended(bench.grant(bench.a, bench.b, FILES, **at(scanned)), a)
        assert (end.code, end.path) == ("changed_in_place", "a/one.txt")
        broken = bench.ended(bench.wish(bench.a, task(TaskKind.VERIFY, **at(scanned)), FILES), a)
        assert (broken.state, broken.code, broken.path) == (TaskState.FAILED, "checksum_mismatch", "a/one.txt")
        written(folder, FILES)
        mended = bench.ended(bench.wish(bench.a, task(TaskKind.VERIFY, **at(scanned)), FILES), a)
        assert mended.state is TaskState.DONE
        assert bench.ended(bench.grant(bench.a, bench.b, FILES, **at(scanned)), a).state is TaskState.DONE


def test_what_the_owner_opens_no_more_is_read_no_more(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        bench.b.desk()
        written(bench.a.lake / "in/reads", FILES)
        scanned = registered(bench)
        bench.ended(scanned, bench.a.keeper())
        config = bench.a.home.config
        config.write_text(config.read_text().replace('folder = "in"', 'folder = "other"'))
        end = bench.ended(bench.grant(bench.a, bench.b, FILES, **at(scanned)), bench.a.keeper())
        assert end.code == "refused"


# ---------------------------------------------------------------- what a job leaves


def left(bench: DataBench, path: str = "out") -> tuple[StorageTask, Path]:
    attempt = new_id()
    working = bench.root / "work"
    written(working / path, FILES)
    set_aside(working, bench.a.home.kept, attempt, [Saved(path=path, dataset="d")], ())
    assert not (working / path).exists()
    return task(TaskKind.KEEP, attempt_id=attempt, path=path), kept_path(bench.a.home.kept, attempt, path)


def test_what_a_job_left_becomes_a_replica_and_goes_when_the_hub_has_recorded_it(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        a = bench.a.keeper()
        said, folder = left(bench)
        keep = bench.wish(bench.a, said)
        end = bench.ended(keep, a)
        assert (end.state, end.files, end.digest) == (TaskState.DONE, len(FILES), manifest_digest(manifest(FILES)))
        assert bench.hub.data.manifest(keep.id) == manifest(FILES)
        assert read(bench.a.lake / keep.place) == read(folder) == FILES
        bench.forget(keep, a)
        assert not folder.parent.exists()
        assert read(bench.a.lake / keep.place) == FILES


def test_a_task_to_keep_what_is_not_here_says_so(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        for attempt in (new_id(), "..", "../a"):
            keep = bench.wish(bench.a, task(TaskKind.KEEP, attempt_id=attempt, path="out"))
            assert bench.ended(keep, bench.a.keeper()).code in ("source_gone", "refused")


def test_saved_paths_are_moved_without_following_a_link_and_without_secrets(tmp_path: Path) -> None:
    working, kept = (
        written(tmp_path / "w", {"out/x": b"1", "out/key": b"s", "one": b"2", "out/in/y": b"3"}),
        tmp_path / "k",
    )
    (working / "link").symlink_to(tmp_path)
    (working / "away").symlink_to(tmp_path)
    for path in ("link", "away/w", "missing", "out/missing"):
        with pytest.raises(OutputError, match=path):
            set_aside(working, kept, "t0", [Saved(path=path, dataset="d")], ())
    saved = [Saved(path="out", dataset="d"), Saved(path="one", dataset="e"), Saved(path="out/in", dataset="f")]
    for _again in range(2):  # also after a crash
        set_aside(working, kept, "t", saved, ("out/key",))
        assert read(kept_path(kept, "t", "out")) == {"x": b"1"}
        assert read(kept_path(kept, "t", "out/in")) == {"y": b"3"}
        assert read(kept_path(kept, "t", "one")) == {"one": b"2"}


# ---------------------------------------------------------------- what is told of a task

SAID = st.builds(
    lambda token, version, wish: task(TaskKind.MOVE).model_copy(
        update={"id": "t", "token": token, "version": version, "wish": wish}
    ),
    st.integers(1, 3),
    st.integers(0, 3),
    st.sampled_from(TaskWish),
)
RANK = {TaskWish.DO: 0, TaskWish.STOP: 1, TaskWish.FORGET: 2}


@given(st.lists(st.one_of(SAID, st.sampled_from(["end", "forget"])), max_size=12))
def test_whatever_comes_in_whatever_order_an_old_word_changes_nothing(says: list[StorageTask | str]) -> None:
    row: TaskRow | None = None
    for said in says:
        if isinstance(said, StorageTask):
            after = told(row, said)
            if row is not None:
                assert after.task.token >= row.task.token
                if after.task.token == row.task.token:
                    assert after.task.version >= row.task.version
                    assert RANK[after.task.wish] >= RANK[row.task.wish]
                    assert after.step is row.step
                else:
                    assert (after.step, after.end) == (Step.OPEN, None)
            assert told(after, said).step is after.step
            assert told(after, said).task == after.task
            row = after
        elif row is not None and said == "forget" and row.task.wish is TaskWish.FORGET:
            row = row.with_(step=Step.FORGOTTEN)
        assert row is None or TaskRow.model_validate_json(row.model_dump_json()) == row
        assert row is None or json.loads(row.model_dump_json())["task"]["id"] == "t"
