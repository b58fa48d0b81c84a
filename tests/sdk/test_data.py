"""What a folder may hold, how much is under way at once, and when a version or a copy is there."""

import hashlib
import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.data import MAX_FILES, DataFile, TransferState
from suanlian.model.errors import ConflictError, InvalidError, NotFoundError, TooLargeError
from suanlian.sdk.arriving import arrived, sealed
from suanlian.sdk.client import Client
from suanlian.sdk.folders import hashed, look
from suanlian.sdk.side_by_side import each
from suanlian.testing.people_hub import PeopleHub, problem

NOW = "2026-03-01T00:00:00.000000Z"


def version(state: str = "open", **changes: object) -> dict[str, object]:
    said = {"id": "v", "public_id": "p", "account": "lab", "dataset": "reads", "number": 1, "state": state}
    return {**said, "files": 1, "bytes": 1, "created_at": NOW, **changes}


def dataset(*versions: dict[str, object]) -> dict[str, object]:
    said = {"id": "d", "public_id": "p", "account": "lab", "name": "reads", "created_at": NOW}
    return {**said, "versions": list(versions)}


def transfer(state: TransferState, **changes: object) -> dict[str, object]:
    said = {"id": "t", "version_id": "v", "dataset": "lab/reads@1", "purpose": "person", "state": state}
    return {**said, "target": "wuhu/lake", "bytes": 10, "created_at": NOW, **changes}


@given(
    st.dictionaries(st.text("ab/", min_size=1, max_size=5).filter(lambda t: "//" not in t), st.binary(max_size=9)),
    st.integers(1, 8),
)
def test_what_is_looked_at_and_hashed_is_what_lies_there(
    tmp_path_factory: pytest.TempPathFactory, wanted: dict[str, bytes], count: int
) -> None:
    folder, files = tmp_path_factory.mktemp("some"), dict[str, bytes]()
    for name, data in wanted.items():
        path = folder / name.strip("/")
        if name.strip("/") and not path.exists() and not any(one.is_file() for one in path.parents):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data * count)
            files[name.strip("/")] = data * count
    if not files:
        with pytest.raises(InvalidError, match="no file"):
            look(folder)
        return
    found = look(folder)
    assert [file.path for file in found.files] == sorted(files)
    assert hashed(found) == [
        DataFile(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())
        for path, data in sorted(files.items())
    ]


@pytest.mark.parametrize("name", ["e\u0301", "x" * 254 + "\u00e9", "a\nb", "a\\b", os.fsdecode(b"\xff")])
def test_a_name_that_some_storage_does_not_keep_is_refused_by_name(tmp_path: Path, name: str) -> None:
    try:
        (tmp_path / name).write_bytes(b"")
    except OSError:
        pytest.skip("this file system does not keep it")
    (tmp_path / "good").write_bytes(b"")
    with pytest.raises(InvalidError, match="1 names are not taken") as caught:
        look(tmp_path)
    assert "good" not in str(caught.value)


def test_too_many_files_are_refused_before_one_is_read(tmp_path: Path) -> None:
    for number in range(MAX_FILES + 1):
        os.mkfifo(tmp_path / str(number)) if number == MAX_FILES else (tmp_path / str(number)).touch()
        if number == 1:
            # a file that nobody could read, so that reading it would be noticed
            (tmp_path / "1").chmod(0)
    (tmp_path / str(MAX_FILES)).unlink()
    (tmp_path / "last").touch()
    with pytest.raises(TooLargeError, match=str(MAX_FILES)):
        look(tmp_path)


def test_what_is_written_to_meanwhile_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    found = look(tmp_path)
    (tmp_path / "a").write_bytes(b"22")
    with pytest.raises(ConflictError, match="written to"):
        hashed(found)


def test_one_file_and_nothing_at_all(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    assert [file.path for file in look(tmp_path / "a").files] == ["a"]
    with pytest.raises(NotFoundError, match="nowhere"):
        look(tmp_path / "nowhere")


@given(st.lists(st.integers(), max_size=60), st.integers(1, 5))
def test_results_come_in_order_and_few_are_under_way(things: list[int], threads: int) -> None:
    taken = list[int]()

    def feed() -> object:
        for thing in things:
            taken.append(thing)
            yield thing

    seen = list[int]()
    for result in each(lambda thing: thing + 1, feed(), threads):  # type: ignore[arg-type]
        seen.append(result)
        assert len(taken) <= len(seen) + 4 * threads
    assert seen == [thing + 1 for thing in things]


def test_the_first_error_is_raised_and_what_was_not_begun_never_is() -> None:
    begun, lock = list[int](), threading.Lock()

    def work(thing: int) -> int:
        with lock:
            begun.append(thing)
        time.sleep(0.001)
        if thing == 3:
            raise ValueError(thing)
        return thing

    with pytest.raises(ValueError, match="3"):
        list(each(work, range(1000), 2))
    assert len(begun) < 30


def test_a_version_is_waited_for_until_it_is_sealed_or_never_will_be(client: Client, hub: PeopleHub) -> None:
    coming = {"id": "r", "storage": "wuhu/lake", "site": "main", "state": "coming"}
    hub.says(
        "GET /v1/datasets/reads@1",
        dataset(version(reason="unreachable: again", replicas=[coming])),
        problem(503, "hub_unavailable", "not now"),
        dataset(version("sealed")),
    )
    assert sealed(client.data, "reads@1").state == "sealed"
    hub.says("GET /v1/datasets/other@1", dataset(version(reason="name_refused: 'x'")))
    with pytest.raises(ConflictError, match="name_refused: 'x'"):
        sealed(client.data, "other@1")


def test_a_transfer_is_waited_for(client: Client, hub: PeopleHub) -> None:
    hub.says("GET /v1/transfers/t", transfer(TransferState.GOING, bytes_done=4), transfer(TransferState.DONE))
    seen = list[int]()
    assert arrived(client.data, "t", lambda now: seen.append(now.bytes_done)).state is TransferState.DONE
    assert seen == [4, 0]
    hub.says("GET /v1/transfers/u", transfer(TransferState.FAILED, code="target_full", reason="no room"))
    with pytest.raises(ConflictError, match="target_full"):
        arrived(client.data, "u")


def test_another_accounts_dataset_is_one_part_of_the_path(client: Client, hub: PeopleHub) -> None:
    hub.says("GET /v1/datasets/lab:reads@1", dataset(version("sealed")))
    assert client.data.version("lab/reads@1").number == 1
    hub.says("GET /v1/datasets/reads", dataset(version(), version("lost", number=2)))
    assert client.data.version("reads").state == "lost"
    hub.says("GET /v1/datasets/none", dataset(version()))
    with pytest.raises(NotFoundError, match="suanlian data show none"):
        client.data.version("none")
