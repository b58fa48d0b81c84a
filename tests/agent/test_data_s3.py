"""Does data come by grants of a real S3 server: pulled, pushed into an inbox and taken over, and measured?"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from suanlian.agent.main import run as command
from suanlian.model.data_protocol import Direction, StorageTask, TaskKind, TaskState, TaskWish
from suanlian.model.job import JobState
from suanlian.storage.contract import PART_BYTES
from suanlian.testing.fake_driver import FakeDriver
from suanlian.testing.seaweed import Seaweed, program
from tests.agent.data_bench import FILES, DataBench, Side, at, at_once, manifest, posix, pull, read, task, written
from tests.agent.test_data_jobs import Seen, agent_of, data, lived, reading

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(program() is None, reason="no SeaweedFS here")]
LARGE = FILES | {"large": b"0123456789abcdef" * (PART_BYTES // 16 + 1000)}
S3 = """
[[inventory.storage]]
name = "lake"
site = "s1"
kind = "s3"
endpoint = "{endpoint}"

[storage.lake]
bucket = "{bucket}"
prefix = "{prefix}"
key_id = "env:TEST_S3_KEY_ID"
secret = "file:{secret}"
register = [{{ entity = "e1", folder = "in" }}]
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Seaweed]:
    with Seaweed() as server:
        yield server


def with_s3(server: Seaweed, bucket: str, *sides: str, monkeypatch: pytest.MonkeyPatch, root: Path) -> DataBench:
    monkeypatch.setenv("TEST_S3_KEY_ID", server.access_key_id)
    secret = root / "secret"
    secret.write_text(server.secret_access_key + "\n")
    server.bucket(bucket)

    def storage(bench: DataBench, name: str) -> str:
        if name not in sides:
            return posix(bench, name)
        return S3.format(endpoint=server.endpoint, bucket=bucket, prefix=name, secret=secret)

    return DataBench(root, storage, policy=f'allowed_origins = ["{server.endpoint}"]')


def filled(side: Side, said: StorageTask, files: dict[str, bytes]) -> None:
    """Put files at a place of a bucket, as an earlier move would have."""
    storage = side.desks[-1].shelf.stores.writable("lake")
    for path, content in files.items():
        upload = storage.begin(f"{said.place}/{path}", len(content)) if len(content) > PART_BYTES else ""
        if not upload:
            storage.put(f"{said.place}/{path}", content)
            continue
        tags = [
            storage.part(f"{said.place}/{path}", upload, number, (start, len(content[start : start + PART_BYTES])),
                         iter((content[start : start + PART_BYTES],)))
            for number, start in enumerate(range(0, len(content), PART_BYTES), start=1)
        ]  # fmt: skip
        storage.complete(f"{said.place}/{path}", upload, tags)


def there(side: Side, place: str) -> dict[str, bytes]:
    storage = side.desks[-1].shelf.stores.open("lake")
    return {one.path: b"".join(storage.read(f"{place}/{one.path}")) for one in storage.files(place)}


@pytest.mark.parametrize("sides", [("a",), ("a", "b")])
def test_a_version_is_pulled_from_a_bucket(
    tmp_path: Path, server: Seaweed, monkeypatch: pytest.MonkeyPatch, sides: tuple[str, ...]
) -> None:
    with with_s3(server, f"pull{len(sides)}", *sides, monkeypatch=monkeypatch, root=tmp_path) as bench:
        a, b = bench.a.keeper(), bench.b.keeper()
        source = bench.grant(bench.a, bench.b, LARGE)
        filled(bench.a, source, LARGE)
        assert bench.ended(source, a).state is TaskState.DONE
        move = bench.wish(bench.b, pull(source, other_endpoint=server.endpoint), LARGE)
        assert bench.ended(move, b).state is TaskState.DONE
        assert (there(bench.b, move.place) if "b" in sides else read(bench.b.lake / move.place)) == LARGE
        sealed = "".join(bench.hub.data.grants.values())
        assert "X-Amz" not in sealed
        assert server.endpoint not in sealed
        delete = bench.wish(bench.b, task(TaskKind.DELETE, **at(move)))
        assert bench.ended(delete, b).state is TaskState.DONE
        assert there(bench.b, move.place) == {}


def test_an_endpoint_in_our_own_network_is_not_called_unless_the_owner_lists_it(
    tmp_path: Path, server: Seaweed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with with_s3(server, "inside", "a", monkeypatch=monkeypatch, root=tmp_path) as bench:
        config = bench.b.home.config
        config.write_text(config.read_text().replace(server.endpoint, "http://127.0.0.1:1", 1))
        a, b = bench.a.keeper(), bench.b.keeper()
        source = bench.grant(bench.a, bench.b, FILES)
        filled(bench.a, source, FILES)
        bench.ended(source, a)
        end = bench.ended(bench.wish(bench.b, pull(source, other_endpoint=server.endpoint), FILES), b)
        assert (end.code, end.again) == ("refused", False)
        assert "loopback address" in end.reason


def test_a_version_is_pushed_into_an_inbox_and_taken_over(
    tmp_path: Path, server: Seaweed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with with_s3(server, "push", "b", monkeypatch=monkeypatch, root=tmp_path) as bench:
        a, b = bench.a.keeper(), bench.b.keeper()
        source = task(TaskKind.MOVE)
        written(bench.a.lake / source.place, LARGE)
        take = task(TaskKind.TAKE, version_id=source.version_id)
        take = take.model_copy(
            update={"place": f"{take.version_id}/{take.replica_id}", "source_place": f".inbox/{take.id}"}
        )
        grant = bench.grant(
            bench.b, bench.a, LARGE, direction=Direction.WRITE, source_place=take.source_place,
            **{**at(take), "place": ""},
        )  # fmt: skip
        assert bench.ended(grant, b).state is TaskState.DONE
        push = source.model_copy(
            update={
                "replica_id": take.replica_id,  # as the hub says it: the copy that it will be
                "source_place": source.place,
                "place": take.source_place,
                "direction": Direction.WRITE,
                "grant_task": grant.id,
                "grant_token": 1,
                "other_endpoint": server.endpoint,
            }
        )
        assert bench.ended(bench.wish(bench.a, push, LARGE), a).state is TaskState.DONE
        assert there(bench.b, take.place) == {}
        assert bench.ended(bench.wish(bench.b, take, LARGE), b).state is TaskState.DONE
        assert there(bench.b, take.place) == LARGE
        assert there(bench.b, take.source_place) == {}


def test_what_was_written_into_an_inbox_is_compared_and_thrown_away_with_it(
    tmp_path: Path, server: Seaweed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with with_s3(server, "inbox", "b", monkeypatch=monkeypatch, root=tmp_path) as bench:
        b = bench.b.keeper()
        take = task(TaskKind.TAKE)
        take = take.model_copy(update={"source_place": f".inbox/{take.id}"})
        other = FILES | {"a/one.txt": bytes(len(FILES["a/one.txt"]))}
        filled(bench.b, take.model_copy(update={"place": take.source_place}), other)
        end = bench.ended(bench.wish(bench.b, take, FILES), b)
        assert (end.code, end.path) == ("checksum_mismatch", "a/one.txt")
        bench.hub.data.again(take.id, wish=TaskWish.FORGET)
        b.poll(0)
        b.tick(at_once)
        assert there(bench.b, take.source_place) == {}


def test_a_prefix_is_registered_and_the_way_from_it_is_measured(
    tmp_path: Path, server: Seaweed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with with_s3(server, "reg", "a", monkeypatch=monkeypatch, root=tmp_path) as bench:
        a, b = bench.a.keeper(), bench.b.keeper()
        scanned = task(TaskKind.SCAN, place="in/reads")
        filled(bench.a, scanned, FILES)
        assert bench.ended(bench.wish(bench.a, scanned), a).files == len(FILES)
        assert bench.hub.data.manifest(scanned.id) == manifest(FILES)
        source = bench.wish(
            bench.a,
            task(TaskKind.GRANT, version_id="", replica_id="", place="", source_place=".probe").model_copy(
                update={"sealing_key": b.kit.desk.vault.key.text}
            ),
        )
        bench.ended(source, a)
        probe = task(
            TaskKind.PROBE, version_id="", replica_id="", grant_task=source.id, grant_token=1,
            other_endpoint=server.endpoint,
        )  # fmt: skip
        end = bench.ended(bench.wish(bench.b, probe), b)
        assert end.state is TaskState.DONE
        assert end.rtt_ms is not None
        assert end.rtt_ms > 0


def test_a_job_reads_data_out_of_a_bucket_and_none_that_was_changed_there(
    tmp_path: Path, server: Seaweed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with with_s3(server, "jobs", "a", monkeypatch=monkeypatch, root=tmp_path) as bench:
        seen = bench.a.engine = FakeDriver(tmp_path / "e", script=Seen())
        a = bench.a.keeper()
        scanned = task(TaskKind.SCAN, place="in/reads")
        filled(bench.a, scanned, FILES)
        assert bench.ended(bench.wish(bench.a, scanned), a).state is TaskState.DONE
        assert lived(bench, agent_of(bench.a), reading(data(scanned))).state is JobState.COMPLETE
        assert seen.starts
        filled(bench.a, scanned, {"a/one.txt": bytes(len(FILES["a/one.txt"]))})
        assert lived(bench, agent_of(bench.a), reading(data(scanned))).state is JobState.PREEMPTED


def test_a_server_that_is_away_is_said_to_be_and_tried_again_by_the_hub(
    tmp_path: Path, server: Seaweed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with with_s3(server, "away", "a", monkeypatch=monkeypatch, root=tmp_path) as bench:
        config = bench.a.home.config
        config.write_text(config.read_text().replace(server.endpoint, "http://127.0.0.1:1"))
        end = bench.ended(bench.wish(bench.a, task(TaskKind.DELETE)), bench.a.keeper())
        assert (end.state, end.code, end.again) == (TaskState.FAILED, "unreachable", True)


def test_the_owner_tries_the_storage_without_a_hub(
    tmp_path: Path, server: Seaweed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with with_s3(server, "try", "a", monkeypatch=monkeypatch, root=tmp_path) as bench:
        for side in (bench.a, bench.b):
            assert command(["storage", "check", "--home", str(side.home.root)]) == 0
            told = capsys.readouterr().out
            assert told.count(": ok: ") == 5
            assert "FAILED" not in told
        assert there_now(bench.b) == {}
        monkeypatch.setenv("TEST_S3_KEY_ID", "wrong")
        assert command(["storage", "check", "--home", str(bench.a.home.root)]) == 1
        assert "FAILED" in capsys.readouterr().out
        written(bench.b.lake, FILES)
        assert command(["storage", "ls", "lake", "数据 集", "--home", str(bench.b.home.root)]) == 0
        assert "第 一.txt" in capsys.readouterr().out
        assert command(["storage", "ls", "sea", "--home", str(bench.b.home.root)]) == 1


def there_now(side: Side) -> dict[str, bytes]:
    return {path: data for path, data in read(side.lake).items() if not path.startswith(".grants")}
