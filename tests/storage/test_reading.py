"""A manifest made of a place, and a comparison with one."""

import os
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from threading import Event

import pytest

from suanlian.model.data import MAX_FILES
from suanlian.storage.contract import Code, HttpAt, PosixAt, S3At, Stat
from suanlian.storage.http import HttpStorage
from suanlian.storage.posix import PosixStorage
from suanlian.storage.reading import Reading, StoppedError, scan, verify
from suanlian.storage.registry import GROUP, open_storage
from suanlian.testing.storage import ODD, data_file, file_server, refused


@pytest.fixture
def storage(tmp_path: Path) -> PosixStorage:
    made = PosixStorage(PosixAt(tmp_path))
    for path, data in ODD.items():
        made.put(f"in/{path}", data)
    return made


def test_a_place_is_scanned_in_the_order_of_paths(storage: PosixStorage) -> None:
    said: list[tuple[int, int]] = []
    made = scan(Reading(storage, "in", on_progress=lambda files, size: said.append((files, size))))
    assert made == sorted((data_file(path, data) for path, data in ODD.items()), key=lambda file: file.path)
    assert said[-1] == (len(ODD), sum(map(len, ODD.values())))
    assert said == sorted(said)
    assert scan(Reading(storage, "in")) == made


def test_a_link_is_refused_by_its_name(storage: PosixStorage, tmp_path: Path) -> None:
    (tmp_path / "in/deep/a link").symlink_to("/etc/passwd")
    with refused(Code.NAME_REFUSED, "deep/a link"):
        scan(Reading(storage, "in"))
    (tmp_path / "in/deep/a link").unlink()
    os.mkfifo(tmp_path / "in/pipe")
    with refused(Code.NAME_REFUSED, "pipe"):
        scan(Reading(storage, "in"))


@pytest.mark.parametrize("name", [b"bad\xff", b"new\nline", b"back\\slash"])
def test_a_name_that_no_job_could_have_is_refused(storage: PosixStorage, tmp_path: Path, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/in/" + name)).touch()
    with refused(Code.NAME_REFUSED, os.fsdecode(name)):
        scan(Reading(storage, "in"))


def test_the_storages_own_folders_and_empty_places_are_no_datasets(storage: PosixStorage) -> None:
    for place in (".grants", ".coming/x"):
        with refused(Code.NAME_REFUSED):
            scan(Reading(storage, place))
    with refused(Code.SOURCE_GONE):
        scan(Reading(storage, "nothing"))


class Many(PosixStorage):
    """Lists as many as it is told to, and each is another than it was."""

    count = MAX_FILES + 1

    def files(self, place: str) -> Iterator[Stat]:
        del place
        return (Stat(f"{number}", 1) for number in range(self.count))

    def read(self, path: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        del path, start, length
        yield b"longer"


def test_too_many_files_and_files_that_change_are_refused(tmp_path: Path) -> None:
    storage = Many(PosixAt(tmp_path))
    with refused(Code.REFUSED):
        scan(Reading(storage, "in"))
    storage.count = 3
    with refused(Code.REFUSED, "0"):
        scan(Reading(storage, "in"))


def test_it_stops_when_it_is_told_to(storage: PosixStorage) -> None:
    stop = Event()
    with pytest.raises(StoppedError):
        scan(Reading(storage, "in", threads=1, stop=stop, on_progress=lambda _files, _bytes: stop.set()))


def test_a_comparison_tells_what_is_wrong(storage: PosixStorage) -> None:
    files = scan(Reading(storage, "in"))
    assert verify(Reading(storage, "in"), files).whole
    storage.put("in/block.bin", ODD["block.bin"][:-1] + b"?")
    storage.put("in/a%20b #1?x=1&y=2", b"shorter")
    storage.delete(["in/empty"])
    storage.put("in/more", b"")
    found = verify(Reading(storage, "in"), files)
    assert not found.whole
    assert {one.path for one in found.wrong} == {"block.bin", "a%20b #1?x=1&y=2", "empty"}
    assert (found.wrongs, found.extra, found.files) == (3, 1, len(files))


def test_a_web_address_without_an_index_cannot_be_scanned(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    with file_server(tmp_path) as address:
        storage = HttpStorage(HttpAt(address))
        with refused(Code.REFUSED):
            scan(Reading(storage, ""))
        assert verify(Reading(storage, ""), [data_file("x", b"x")]).whole
        (tmp_path / "bad.jsonl").write_text('{"path": "../x", "size": 1}\n')
        with refused(Code.NAME_REFUSED):
            scan(Reading(HttpStorage(HttpAt(address, index="bad.jsonl")), ""))


def _entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


def test_storage_is_opened_by_what_it_is(tmp_path: Path) -> None:
    entries = [_entry("posix", "suanlian.storage.posix:PosixStorage"), _entry("http", "not_installed:Http")]
    assert isinstance(open_storage(PosixAt(tmp_path), entries), PosixStorage)
    with refused(Code.UNREACHABLE):
        open_storage(PosixAt(tmp_path / "nothing"), entries)
    with refused(Code.REFUSED):
        open_storage(HttpAt("http://127.0.0.1:9"), entries)
    with refused(Code.REFUSED):
        open_storage(S3At("http://127.0.0.1:9", "bucket", "key", "secret"), entries)
    assert "secret" not in repr(S3At("http://127.0.0.1:9", "bucket", "key", "secret"))
