"""What a move does when something goes wrong: a clear error at the file, nothing half-visible, and it can go on."""

import dataclasses
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from suanlian.model.data import DataFile
from suanlian.model.data_protocol import Direction, GrantPage
from suanlian.storage.contract import MIB, PART_BYTES, Code, PosixAt, S3At, Writable
from suanlian.storage.ends import Source, StoredSource, StoredTarget, Target, Upload
from suanlian.storage.granted import GrantedSource, GrantedTarget, Grants
from suanlian.storage.mover import Move, Progress, move
from suanlian.storage.posix import PosixStorage
from suanlian.storage.s3 import S3Storage
from suanlian.storage.web import Web
from suanlian.testing.seaweed import Seaweed
from suanlian.testing.storage import ODD, data_file, read, refused, serving

LARGE = "大 large.bin"
DATA: Mapping[str, bytes] = {**ODD, LARGE: bytes(range(256)) * (PART_BYTES // 256) + b"the end"}
FILES = [data_file(path, data) for path, data in DATA.items()]


@dataclasses.dataclass
class Told:
    """A source that counts what is read, and does to it what a test says."""

    data: Mapping[str, bytes] = dataclasses.field(default_factory=lambda: dict(DATA))
    spoil: Callable[[str, int, bytes], bytes] = lambda _path, _time, data: data
    reads: list[str] = dataclasses.field(default_factory=list)

    def read(self, number: int, file: DataFile, start: int, length: int) -> Iterator[bytes]:
        assert FILES[number].path == file.path
        self.reads.append(file.path)
        yield from (self.spoil(file.path, self.reads.count(file.path), self.data[file.path][start : start + length]),)


@pytest.fixture(params=["posix", "s3"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Writable:
    if request.param == "s3":
        return S3Storage(request.getfixturevalue("s3_at"))
    (tmp_path / "target").mkdir()
    return PosixStorage(PosixAt(tmp_path / "target"))


@pytest.fixture
def asked(tmp_path: Path, target: Writable) -> Callable[..., Move]:
    def make(source: Source, **changes: Any) -> Move:  # noqa: ANN401 - as its fields are
        made = Move(FILES, source, StoredTarget(target, "v1", "t1"), tmp_path / "journal", "t1")
        return dataclasses.replace(made, **changes)

    return make


def _holds(storage: Writable, place: str) -> dict[str, bytes]:
    return {one.path: read(storage, f"{place}/{one.path}") for one in storage.files(place)}


def test_all_of_it_comes_and_another_call_reads_nothing(asked: Callable[..., Move], target: Writable) -> None:
    said: list[Progress] = []
    source = Told()
    for _twice in range(2):
        assert move(asked(source, on_progress=said.append))
        assert _holds(target, "v1") == DATA
    assert sorted(source.reads) == sorted([*DATA, LARGE]), "each file once, the large one in two parts"
    assert said[-1] == Progress(sum(map(len, DATA.values())), len(FILES), checking=True)
    assert [one.bytes_done for one in said] == sorted(one.bytes_done for one in said)


def test_what_lies_at_the_place_besides_goes(asked: Callable[..., Move], target: Writable) -> None:
    target.put(f"{target.coming('v1', 't1')}/left/over", b"of an earlier try")
    target.begin(f"{target.coming('v1', 't1')}/begun", PART_BYTES * 2)
    target.put("v10/neighbour", b"stays")
    assert move(asked(Told()))
    assert _holds(target, "v1") == DATA
    assert _holds(target, "v10") == {"neighbour": b"stays"}


def test_a_source_that_vanishes_midway_is_told_and_the_rest_goes_on(
    asked: Callable[..., Move], target: Writable
) -> None:
    def gone(path: str, time: int, data: bytes) -> bytes:
        if path == LARGE and time == 2:
            raise StorageGone
        return data

    source = Told(spoil=gone)
    with pytest.raises(StorageGone):
        move(asked(source, threads=1))
    if target.coming("v1", "t1") != "v1":
        assert not _holds(target, "v1"), "nothing is half-visible"
    before = list(source.reads)
    source.spoil = lambda _path, _time, data: data
    assert move(asked(source))
    assert _holds(target, "v1") == DATA
    assert source.reads[len(before) :] == [LARGE], "what was there is not fetched again"


class StorageGone(Exception):  # noqa: N818 - it stands for any that nobody foresaw
    pass


@pytest.mark.parametrize("path", [LARGE, "block.bin"])
def test_a_file_that_comes_wrong_once_is_fetched_again(asked: Callable[..., Move], target: Writable, path: str) -> None:
    source = Told(spoil=lambda at, time, data: data[::-1] if (at, time) == (path, 1) else data)
    assert move(asked(source))
    assert _holds(target, "v1") == DATA


@pytest.mark.parametrize("path", [LARGE, "block.bin"])
def test_a_file_that_stays_wrong_is_told_and_never_seen(
    asked: Callable[..., Move], target: Writable, path: str
) -> None:
    source = Told(spoil=lambda at, _time, data: b"X" + data[1:] if at == path else data)
    with refused(Code.CHECKSUM_MISMATCH, path):
        move(asked(source))
    assert source.reads.count(path) == (4 if path == LARGE else 2), "fetched twice, not more"
    if target.coming("v1", "t1") != "v1":
        assert not _holds(target, "v1")


@dataclasses.dataclass(frozen=True, slots=True)
class Twisting(StoredTarget):
    """A target that writes other bytes than it was given, and tells nobody."""

    def put(self, number: int, file: DataFile, data: bytes) -> None:
        super(Twisting, self).put(number, file, data[:-1] + b"?")

    def part(self, number: int, file: DataFile, upload: Upload, which: int, pieces: Iterator[bytes]) -> str:
        twisted = (piece[:-1] + b"?" for piece in pieces)
        return super(Twisting, self).part(number, file, upload, which, twisted)


@pytest.mark.parametrize("path", [LARGE, "block.bin"])
def test_a_target_that_keeps_other_bytes_is_found_out(asked: Callable[..., Move], target: Writable, path: str) -> None:
    files = [file for file in FILES if file.path == path]
    source = StoredTold(path)
    with refused(Code.CHECKSUM_MISMATCH, path):
        move(asked(source, files=files, target=Twisting(target, "v1", "t1")))


@dataclasses.dataclass
class StoredTold:
    path: str

    def read(self, _number: int, _file: DataFile, start: int, length: int) -> Iterator[bytes]:
        yield DATA[self.path][start : start + length]


@dataclasses.dataclass(frozen=True, slots=True)
class Losing(StoredTarget):
    """Files are removed from it by somebody, after they were read back."""

    lost: list[str] = dataclasses.field(default_factory=list)

    def finish(self, files: Sequence[DataFile]) -> Sequence[int]:
        coming = self.storage.coming(self.place, self.transfer)
        self.storage.delete(f"{coming}/{self.lost.pop()}" for _each in range(len(self.lost)))
        return super(Losing, self).finish(files)


def test_what_somebody_removed_meanwhile_is_brought_again(asked: Callable[..., Move], target: Writable) -> None:
    said: list[Progress] = []
    losing = Losing(target, "v1", "t1", lost=[LARGE, "empty"])
    assert move(asked(Told(), target=losing, on_progress=said.append))
    assert _holds(target, "v1") == DATA
    assert max(one.bytes_done for one in said) == sum(map(len, DATA.values()))


def test_an_upload_that_somebody_aborted_is_begun_anew(asked: Callable[..., Move], target: Writable) -> None:
    def stops(path: str, time: int, data: bytes) -> bytes:
        if path == LARGE and time == 2:
            raise StorageGone
        return data

    source = Told(spoil=stops)
    with pytest.raises(StorageGone):
        move(asked(source, threads=1))
    target.abort_below("v1")
    target.sweep(datetime.now(UTC) + timedelta(days=2), ("t1",))
    source.spoil = lambda _path, _time, data: data
    assert move(asked(source))
    assert _holds(target, "v1") == DATA


def test_it_stops_when_it_is_told_to_and_goes_on_later(asked: Callable[..., Move], target: Writable) -> None:
    stop, source = Event(), Told()

    def reads(_path: str, _time: int, data: bytes) -> bytes:
        stop.set()
        return data

    source.spoil = reads
    assert not move(asked(source, stop=stop, threads=1))
    assert len(source.reads) < len(FILES)
    assert move(asked(Told()))
    assert _holds(target, "v1") == DATA


def test_names_that_lead_elsewhere_are_refused_before_anything_moves(asked: Callable[..., Move]) -> None:
    source = Told()
    for name in ("../up", "/etc/x", "a/../../b", "a//b"):
        bad = DataFile.model_construct(path=name, size=1, sha256="0" * 64)
        with refused(Code.NAME_REFUSED, name):
            move(asked(source, files=[*FILES, bad]))
    assert not source.reads


def test_links_are_never_followed(tmp_path: Path) -> None:
    for name in ("source", "target", "outside"):
        (tmp_path / name).mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"secret")
    source, target = (PosixStorage(PosixAt(tmp_path / name)) for name in ("source", "target"))
    (tmp_path / "source" / "v").mkdir()
    (tmp_path / "source" / "v" / "file").symlink_to(tmp_path / "outside" / "secret")
    (tmp_path / "source" / "v" / "folder").symlink_to(tmp_path / "outside")
    for path in ("file", "folder/secret"):
        files = [data_file(path, b"secret")]
        grants = Grants(lambda _n, _stale, files=files: _granted(source, files))  # type: ignore[misc]
        for reads in (StoredSource(source, "v"), GrantedSource(grants, Web(), (tmp_path / "source/.grants",))):
            with refused(Code.NAME_REFUSED):
                move(Move(files, reads, StoredTarget(target, "v1", "t1"), tmp_path / f"{path[:4]}.j", "t1"))
    source.put("v/plain", b"plain")
    target.put("x", b"x")
    (tmp_path / "target" / ".coming" / "t2").symlink_to(tmp_path / "outside")
    files = [data_file("plain", b"plain")]
    with refused(Code.NAME_REFUSED):
        move(Move(files, StoredSource(source, "v"), StoredTarget(target, "v1", "t2"), tmp_path / "j", "t2"))
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["secret"]


def _granted(storage: Writable, files: list[DataFile]) -> GrantPage:
    return storage.grant("v", files, Direction.READ, datetime.now(UTC) + timedelta(hours=1))


def test_a_folder_that_another_names_is_read_only_where_we_said_so(tmp_path: Path) -> None:
    (tmp_path / "source/v").mkdir(parents=True)
    (tmp_path / "source/v/x").write_bytes(b"x")
    source, files = PosixStorage(PosixAt(tmp_path / "source")), [data_file("x", b"x")]
    page = _granted(source, files)
    for folder, within in ((page.folder, ()), (str(tmp_path / "source/v"), (tmp_path / "source/.grants",))):
        told = GrantPage(direction=Direction.READ, expires_at=page.expires_at, folder=folder)
        reads = GrantedSource(Grants(lambda _n, _s, told=told: told), Web(), within)  # type: ignore[misc]
        with refused(Code.REFUSED, "x"):
            list(reads.read(0, files[0], 0, 1))
    reads = GrantedSource(Grants(lambda _n, _s: page), Web(), (tmp_path / "source/.grants",))
    assert list(reads.read(0, files[0], 0, 1)) == [b"x"]


def test_a_full_target_is_told_and_leaves_what_was_there(tmp_path: Path) -> None:
    root = tmp_path / "small"
    root.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(root)], check=False)  # noqa: S607
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        target = PosixStorage(PosixAt(root))
        target.put("v0/x", b"x")
        for path in (LARGE, "block.bin"):
            files = [data_file(f"{number} {path}", DATA[path]) for number in range(4)]
            asked = Move(files, Same(DATA[path]), StoredTarget(target, "v1", path), tmp_path / f"{path}.j", path)
            with refused(Code.TARGET_FULL):
                move(asked)
            assert _holds(target, "v0") == {"x": b"x"}
            assert not _holds(target, "v1")
        free = target.free()
        assert free is not None
        assert free < 8 * MIB
    finally:
        subprocess.run(["umount", "-l", str(root)], check=True)  # noqa: S607


@dataclasses.dataclass
class Same:
    data: bytes

    def read(self, _number: int, _file: DataFile, start: int, length: int) -> Iterator[bytes]:
        yield self.data[start : start + length]


# ---------------------------------------------------------------- grants


def test_a_grant_that_ran_out_is_asked_for_anew(seaweed: Seaweed, s3_at: S3At, tmp_path: Path) -> None:
    source = S3Storage(s3_at)
    seaweed.client().put_object(Bucket="tests", Key=f"{s3_at.prefix}/v/x", Body=b"x")
    files, stale = [data_file("x", b"x")], []

    def pages(_number: int, old: GrantPage | None) -> GrantPage:
        stale.append(old)
        page = _granted(source, files)
        if old is None:  # the server says so before our clock does
            return page.model_copy(update={"urls": {"x": page.urls["x"].replace("Signature=", "Signature=0")}})
        return page

    (tmp_path / "root").mkdir()
    target = PosixStorage(PosixAt(tmp_path / "root"))
    reads = GrantedSource(Grants(pages), Web())
    assert move(Move(files, reads, StoredTarget(target, "v1", "t1"), tmp_path / "j", "t1"))
    assert len(stale) == 2
    assert stale[1] is not None


def test_a_grant_that_nobody_renews_is_told_to_have_run_out(s3_at: S3At, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    storage, files = S3Storage(s3_at), [data_file("x", b"x")]
    page = storage.grant("v", files, Direction.READ, datetime.now(UTC) + timedelta(hours=1))
    broken = page.model_copy(update={"urls": {"x": page.urls["x"].replace("Signature=", "Signature=0")}})
    reads = GrantedSource(Grants(lambda _n, _s: broken), Web())
    target = StoredTarget(PosixStorage(PosixAt(tmp_path / "root")), "v1", "t1")
    with refused(Code.GRANT_EXPIRED):
        move(Move(files, reads, target, tmp_path / "j", "t1"))


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (507, b"", Code.TARGET_FULL),
        (403, b"<Error><Code>QuotaExceeded</Code></Error>", Code.TARGET_FULL),
        (404, b"<Error><Code>NoSuchBucket</Code></Error>", Code.REFUSED),
        (302, b"", Code.REFUSED),
        (413, b"", Code.REFUSED),
        (503, b"<Error><Code>SlowDown</Code></Error>", Code.UNREACHABLE),
    ],
)
def test_what_a_server_answers_is_told(tmp_path: Path, status: int, body: bytes, code: Code) -> None:
    asked: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_said: object) -> None: ...

        def do_PUT(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    files = [data_file("x", b"x")]
    with serving(Answers) as address:
        page = GrantPage(
            direction=Direction.WRITE, expires_at=datetime.now(UTC) + timedelta(hours=1), urls={"x": f"{address}/x?a=b"}
        )
        target: Target = GrantedTarget(Grants(lambda _n, _s: page), Web())
        with refused(code, "x"):
            move(Move(files, Same(b"x"), target, tmp_path / "j", "t1"))
    assert set(asked) == {"/x?a=b"}, "no redirect is followed"
    assert len(asked) == (4 if code is Code.UNREACHABLE else 1), "what may pass is tried again"


def test_a_host_that_is_not_to_be_called_is_not_called() -> None:
    judged: list[tuple[str, int]] = []

    def locate(host: str, port: int) -> str:
        judged.append((host, port))
        raise refusal

    refusal = StorageGone("no")
    with pytest.raises(StorageGone):
        list(Web(locate).read("http://metadata.internal/x?secret", "x"))
    assert judged == [("metadata.internal", 80)]
    for address in ("file:///etc/passwd", "ftp://x/y", "http://u:p@127.0.0.1/x", "//x", ""):
        with refused(Code.REFUSED, "x"):
            list(Web(locate).read(address, "x"))


def test_what_does_not_answer_may_answer_later() -> None:
    with refused(Code.UNREACHABLE, "x"):
        list(Web().read("http://127.0.0.1:9/x?X-Amz-Signature=secret", "x"))
