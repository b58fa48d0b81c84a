"""What every kind of storage must do: the contract as test classes. Subclass with a ``bench`` fixture, run by pytest.

``ReadsContract`` is for all, ``WritesContract`` for those that are written too. Beside them: a web server of files.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from suanlian.model.data import DataFile
from suanlian.model.data_protocol import Direction, GrantPage
from suanlian.storage.contract import (
    MIB,
    PART_BYTES,
    Code,
    Storage,
    StorageError,
    UploadGoneError,
    Writable,
    below,
)
from suanlian.storage.granted import GrantedSource, GrantedTarget, Grants
from suanlian.storage.web import Web

ODD: Final[Mapping[str, bytes]] = {
    "empty": b"",
    "读数 第1批/样本 001.fastq": b"ACGT\n" * 100,
    "a%20b #1?x=1&y=2": b"per cent",
    "quote'\"`$(x)!*~[1]{2}^|<>;:,@=+": b"shell",
    " lead and trail ": b"spaces",
    "deep/er/and/deeper/.hidden": b"dot",
    "long/" + "长" * 80: b"240 bytes in one name",
    "block.bin": bytes(range(256)) * 12_000,
}
"""Files whose names are a trouble somewhere, and one of three mebibytes."""

REFUSED_NAMES: Final = (
    "",
    "/etc/passwd",
    "../up",
    "a/../../up",
    "a//b",
    "./a",
    "a\\b",
    "a\x00b",
    "line\nbreak",
    "\u202eright-to-left",
    "half \udcff",
    "x" * 256,
    "长" * 86,
    "/".join(["d" * 200] * 6),
)


def data_file(path: str, data: bytes) -> DataFile:
    """What a manifest says of it."""
    return DataFile(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())


@dataclass(slots=True)
class StorageBench:
    """Storage, and how to bring files to it behind its back."""

    make: Callable[[], Storage]
    """Open it (again), as after a restart of the connector."""
    fill: Callable[[str, bytes], None]
    folders: tuple[Path, ...] = ()
    """Where its folders of grants may lie."""
    read_only: Callable[[], Storage] | None = None
    """Open the same to be read only."""
    grants_writing: bool = True
    expires: bool = True
    """Whether a grant ends by itself."""
    storage: Storage = field(init=False)

    def __post_init__(self) -> None:
        """Open it."""
        self.storage = self.make()

    @property
    def writable(self) -> Writable:
        """To be written."""
        assert isinstance(self.storage, Writable)
        return self.storage

    def pages(self, place: str, files: list[DataFile], direction: Direction, valid_s: float = 600) -> Grants:
        """A grant to these files, minted when it is asked for."""

        def page(number: int, _stale: GrantPage | None) -> GrantPage:
            assert number == 0
            return self.storage.grant(place, files, direction, datetime.now(UTC) + timedelta(seconds=valid_s))

        return Grants(page)

    def holds(self, place: str) -> dict[str, bytes]:
        """All that lies at a place."""
        return {one.path: read(self.storage, below(place, one.path)) for one in self.storage.files(place)}


def read(storage: Storage, path: str, start: int = 0, length: int | None = None) -> bytes:
    """Bytes of a file."""
    return b"".join(storage.read(path, start, length))


@contextmanager
def refused(code: Code, path: str | None = None) -> Iterator[None]:
    """What is done within raises StorageError with this code (and path)."""
    found = None
    try:
        yield
    except StorageError as error:
        found = error
    assert found is not None, f"{code} was not raised"
    assert found.code is code, f"{found.code}: {found}"
    assert path is None or found.path == path, found.path
    assert str(found), "an error says what is wrong"


class ReadsContract:
    """What each kind must do that is read."""

    def test_a_place_is_listed_with_each_name_as_it_is(self, bench: StorageBench) -> None:
        """Also names that are a trouble somewhere, and nothing of a neighbour whose name begins alike."""
        for path, data in ODD.items():
            bench.fill(f"here/{path}", data)
        bench.fill("here-too/x", b"x")
        bench.fill("hereafter", b"y")
        found = {one.path: one.size for one in bench.storage.files("here")}
        assert found == {path: len(data) for path, data in ODD.items()}
        assert not list(bench.storage.files("nowhere"))

    def test_what_lies_there_is_read_whole_and_in_part(self, bench: StorageBench) -> None:
        """By any range within it."""
        for path, data in ODD.items():
            bench.fill(f"here/{path}", data)
            assert read(bench.storage, f"here/{path}") == data
            found = bench.storage.stat(f"here/{path}")
            assert found is not None
            assert found.size == len(data)
        block = ODD["block.bin"]
        for start, length in ((0, 1), (1, MIB), (MIB - 1, 2), (len(block) - 1, 1), (7, None), (5, 0)):
            wanted = block[start:] if length is None else block[start : start + length]
            assert read(bench.storage, "here/block.bin", start, length) == wanted

    def test_what_is_not_there_is_said_to_be_gone(self, bench: StorageBench) -> None:
        """Absent files, and those that are too short."""
        bench.fill("here/short", b"12345")
        assert bench.storage.stat("here/absent") is None
        with refused(Code.SOURCE_GONE, "here/absent"):
            read(bench.storage, "here/absent")
        with refused(Code.SOURCE_GONE, "here/short"):
            read(bench.storage, "here/short", 2, 10)
        with refused(Code.SOURCE_GONE, "here/short"):
            read(bench.storage, "here/short", 100, 10)

    def test_names_that_lead_elsewhere_are_refused(self, bench: StorageBench) -> None:
        """Before anything is asked."""
        for name in REFUSED_NAMES:
            with refused(Code.NAME_REFUSED):
                read(bench.storage, name)
            with refused(Code.NAME_REFUSED):
                bench.storage.stat(name)
            if name:
                with refused(Code.NAME_REFUSED):
                    list(bench.storage.files(name))

    def test_a_grant_opens_what_it_names(self, bench: StorageBench) -> None:
        """For somebody without any key; what it does not name stays shut."""
        files = []
        for path, data in ODD.items():
            bench.fill(f"here/{path}", data)
            files.append(data_file(path, data))
        source = GrantedSource(bench.pages("here", files[:-1], Direction.READ), Web(), bench.folders)
        for number, file in enumerate(files[:-1]):
            assert b"".join(source.read(number, file, 0, file.size)) == ODD[file.path]
            if file.size >= len(b"123"):
                assert b"".join(source.read(number, file, 1, 2)) == ODD[file.path][1:3]
        with refused(Code.REFUSED if not bench.folders else Code.SOURCE_GONE, files[-1].path):
            list(source.read(7, files[-1], 0, 1))

    def test_a_grant_ends(self, bench: StorageBench) -> None:
        """When its time is over, and it was swept."""
        bench.fill("here/x", b"x")
        file = data_file("x", b"x")
        if bench.expires:
            page = bench.storage.grant("here", [file], Direction.READ, datetime.now(UTC) + timedelta(seconds=1.5))
            web = Web()
            time.sleep(3)
            if isinstance(bench.storage, Writable):
                bench.storage.sweep(datetime.now(UTC), ())
            assert not page.folder or not Path(page.folder).exists()
            if page.urls:
                with refused(Code.GRANT_EXPIRED, "x"):
                    list(web.read(page.urls["x"], "x"))


class WritesContract(ReadsContract):
    """What each kind must do that is written too."""

    def test_a_small_file_is_put_whole_in_the_place_of_the_old_one(self, bench: StorageBench) -> None:
        """Whatever its name."""
        for path, data in ODD.items():
            bench.writable.put(f"here/{path}", b"older")
            bench.writable.put(f"here/{path}", data)
        assert bench.holds("here") == ODD

    def test_a_large_file_is_seen_when_it_is_whole_and_goes_on_after_a_restart(self, bench: StorageBench) -> None:
        """Parts come in any order and again, from one process and the next."""
        first, last = b"1" * PART_BYTES, b"2" * 1000
        path, spans = "here/读数 large", ((0, PART_BYTES), (PART_BYTES, 1000))
        upload = bench.writable.begin(path, PART_BYTES + 1000)
        two = bench.writable.part(path, upload, 2, spans[1], iter((last,)))
        bench.writable.part(path, upload, 1, spans[0], iter((b"0" * PART_BYTES,)))
        assert bench.storage.stat(path) is None
        assert not list(bench.storage.files("here"))
        again = bench.make()
        assert isinstance(again, Writable)
        one = again.part(path, upload, 1, spans[0], (first[at : at + MIB] for at in range(0, PART_BYTES, MIB)))
        again.complete(path, upload, (one, two))
        assert read(bench.storage, path) == first + last

    def test_an_upload_that_is_not_known_is_begun_anew(self, bench: StorageBench) -> None:
        """It was forgotten, or never was."""
        upload = bench.writable.begin("here/x", 3)
        tag = bench.writable.part("here/x", upload, 1, (0, 3), iter((b"abc",)))
        bench.writable.abort("here/x", upload)
        bench.writable.abort("here/x", upload)
        gone = 0
        for act in (
            lambda: bench.writable.part("here/x", upload, 1, (0, 3), iter((b"abc",))),
            lambda: bench.writable.complete("here/x", upload, (tag,)),
        ):
            try:
                act()
            except UploadGoneError:
                gone += 1
        assert gone == len(("part", "complete")), "the upload was known"
        assert bench.storage.stat("here/x") is None

    def test_what_is_removed_is_gone_and_its_neighbours_stay(self, bench: StorageBench) -> None:
        """Twice is well."""
        for path in ("a/1", "a/2", "a/b/3", "ab/4", "5"):
            bench.writable.put(path, b"x")
        for _twice in range(2):
            bench.writable.delete(["a/1", "a/nothing"])
            assert set(bench.holds("a")) == {"2", "b/3"}
        for _twice in range(2):
            bench.writable.delete_below("a")
            assert set(bench.holds("")) == {"ab/4", "5"}
        with refused(Code.NAME_REFUSED):
            bench.writable.delete_below("")

    def test_a_transfer_lands_in_one_step(self, bench: StorageBench) -> None:
        """And in the place of what lay there, however often it is said."""
        storage = bench.writable
        coming = storage.coming("v1", "t1")
        storage.put(f"{coming}/in/x", b"1")
        storage.put(f"{coming}/y", b"2")
        if coming != "v1":
            assert not bench.holds("v1")
            assert set(bench.holds("")) == set(), "what comes is not listed"
        for _twice in range(2):
            storage.land("v1", "t1")
            assert bench.holds("v1") == {"in/x": b"1", "y": b"2"}
        if coming != "v1":
            storage.put(f"{storage.coming('v1', 't2')}/z", b"3")
            storage.land("v1", "t2")
            assert bench.holds("v1") == {"z": b"3"}

    def test_what_is_read_only_is_not_written(self, bench: StorageBench) -> None:
        """By any call."""
        assert bench.read_only is not None
        bench.writable.put("here/x", b"x")
        storage = bench.read_only()
        assert isinstance(storage, Writable)
        for act in (
            lambda: storage.put("here/x", b"y"),
            lambda: storage.begin("here/y", 3),
            lambda: storage.delete(["here/x"]),
            lambda: storage.delete_below("here"),
        ):
            with refused(Code.REFUSED):
                act()
        assert read(storage, "here/x") == b"x"

    def test_a_grant_to_write_writes_what_it_names(self, bench: StorageBench) -> None:
        """Small files and parts of large ones, which go on by the next grant; or it is refused where none can be."""
        large = b"7" * PART_BYTES + b"8" * (PART_BYTES // 2)
        wanted = {**ODD, "读数 large": large}
        files = [data_file(path, data) for path, data in wanted.items()]
        if not bench.grants_writing:
            with refused(Code.REFUSED):
                bench.storage.grant("here", files, Direction.WRITE, datetime.now(UTC) + timedelta(minutes=1))
            return
        web = Web()
        target = GrantedTarget(bench.pages("here", files, Direction.WRITE), web)
        for number, file in enumerate(files[:-1]):
            target.put(number, file, wanted[file.path])
        number, file = len(files) - 1, files[-1]
        upload = target.begin(number, file)
        one = target.part(number, file, upload, 1, iter((large[: upload.part_bytes],)))
        other = GrantedTarget(bench.pages("here", files, Direction.WRITE), web)
        assert other.begin(number, file) == upload
        two = other.part(number, file, upload, 2, iter((large[upload.part_bytes :],)))
        other.complete(number, file, upload, (one, two))
        assert b"".join(other.read(number, file)) == large
        assert bench.holds("here") == wanted


@contextmanager
def file_server(folder: Path, *, ranges: bool = True) -> Iterator[str]:
    """A web server that shows a folder; its address. ``ranges``: whether it knows them, as not all do."""

    class Shows(BaseHTTPRequestHandler):
        """Answers by what lies in the folder."""

        protocol_version = "HTTP/1.1"

        def log_message(self, *_said: object) -> None:
            """Keep silent."""

        def do_HEAD(self) -> None:
            """Answer without a body."""
            self._answer(body=False)

        def do_GET(self) -> None:
            """Answer with the file, or a range of it."""
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            found = folder / unquote(urlsplit(self.path).path).lstrip("/")
            if not found.is_file():
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            data, status, asked = found.read_bytes(), 200, self.headers.get("Range")
            if asked and ranges:
                start, _, end = asked.removeprefix("bytes=").partition("-")
                status = 206 if int(start) < len(data) else 416
                data = data[int(start) : int(end) + 1] if end else data[int(start) :]
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body:
                self.wfile.write(data)

    with serving(Shows) as address:
        yield address


@contextmanager
def serving(answers: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A web server on loopback; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), answers)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
