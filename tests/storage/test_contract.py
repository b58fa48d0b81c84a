"""Each kind does what the contract says: a folder, a real S3 server, a web server with and without ranges."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from suanlian.storage.contract import HttpAt, PosixAt, S3At
from suanlian.storage.http import HttpStorage
from suanlian.storage.posix import PosixStorage
from suanlian.storage.s3 import S3Storage
from suanlian.testing.seaweed import Seaweed
from suanlian.testing.storage import ReadsContract, StorageBench, WritesContract, data_file, file_server


def _into(root: Path, path: str, data: bytes) -> None:
    where = root / path
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_bytes(data)


class TestPosix(WritesContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> StorageBench:
        root = tmp_path / "root"
        root.mkdir()
        return StorageBench(
            make=lambda: PosixStorage(PosixAt(root)),
            fill=lambda path, data: _into(root, path, data),
            folders=(root / ".grants",),
            read_only=lambda: PosixStorage(PosixAt(root, read_only=True)),
            grants_writing=False,
        )


class TestS3(WritesContract):
    @pytest.fixture
    def bench(self, seaweed: Seaweed, s3_at: S3At) -> StorageBench:
        client = seaweed.client()
        return StorageBench(
            make=lambda: S3Storage(s3_at),
            fill=lambda path, data: client.put_object(Bucket="tests", Key=f"{s3_at.prefix}/{path}", Body=data),
            read_only=lambda: S3Storage(dataclasses.replace(s3_at, read_only=True)),
        )


class TestHttp(ReadsContract):
    @pytest.fixture(params=[True, False], ids=["ranges", "no-ranges"])
    def bench(self, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[StorageBench]:
        def fill(path: str, data: bytes) -> None:
            _into(tmp_path, path, data)
            with (tmp_path / "index.jsonl").open("a") as index:
                index.write(data_file(path, data).model_dump_json() + "\n")

        (tmp_path / "index.jsonl").touch()
        with file_server(tmp_path, ranges=request.param) as address:
            yield StorageBench(
                make=lambda: HttpStorage(HttpAt(f"{address}/", index="index.jsonl")), fill=fill, expires=False
            )
