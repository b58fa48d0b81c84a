"""A move is killed at random moments, again and again, and ends whole all the same. SUANLIAN_KILLS says how often."""

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from suanlian.model.data import DataFile
from suanlian.storage.contract import MIB, PART_BYTES, S3At, Writable, below
from suanlian.storage.ends import StoredTarget, Upload
from suanlian.storage.reading import Reading, scan
from suanlian.testing.moving import opened
from suanlian.testing.seaweed import Seaweed
from suanlian.testing.storage import data_file

_KILLS = int(os.environ.get("SUANLIAN_KILLS", "10"))
_MBPS = 800
"""So that a move takes a second at least: killed sooner, nothing is under way."""


def _filled(storage: Writable, place: str) -> list[DataFile]:
    """100 MiB: two large files, many small ones, an empty one."""
    large = {"大 one.bin": 41 * MIB + 7, "two.bin": 3 * PART_BYTES}
    data = {path: random.randbytes(size) for path, size in large.items()}
    data |= {f"small {n % 7}/样本 {n:03d}.bin": random.randbytes(40_000) for n in range(250)}
    data["empty"] = b""
    for path, content in data.items():
        where = below(place, path)
        if len(content) <= PART_BYTES:
            storage.put(where, content)
            continue
        upload = Upload(storage.begin(where, len(content)), PART_BYTES)
        file, tags = data_file(path, content), []
        for which in range(1, upload.parts(file) + 1):
            start, length = upload.start(which), upload.length(file, which)
            tags.append(
                storage.part(where, upload.id, which, (start, length), iter((content[start : start + length],)))
            )
        storage.complete(where, upload.id, tags)
    return [data_file(path, content) for path, content in sorted(data.items())]


def _folder(root: Path) -> dict[str, Any]:
    root.mkdir()
    return {"root": str(root)}


@pytest.mark.slow
@pytest.mark.timeout(60 + 20 * _KILLS)
@pytest.mark.parametrize("way", ["pull-s3-s3", "pull-s3-posix", "push-posix-s3", "pull-posix-posix"])
def test_a_move_that_is_killed_again_and_again_ends_whole(
    way: str, tmp_path: Path, seaweed: Seaweed, prefix: Callable[[], S3At]
) -> None:
    how, source_kind, target_kind = way.split("-")
    source = dataclasses.asdict(prefix()) if source_kind == "s3" else _folder(tmp_path / "source")
    target = dataclasses.asdict(prefix()) if target_kind == "s3" else _folder(tmp_path / "target")
    files = _filled(opened(source), "数据/v 1")
    order = {
        "way": how,
        "source": source,
        "from": "数据/v 1",
        "target": target,
        "to": "v1",
        "files": [file.model_dump() for file in files],
        "journal": str(tmp_path / "journal"),
        "key": "t1",
        "mbps": _MBPS,
    }
    (tmp_path / "order.json").write_text(json.dumps(order))
    command = [sys.executable, "-m", "suanlian.testing.moving", str(tmp_path / "order.json")]
    seen, kills = [0], max(1, _KILLS // 4 + (_KILLS % 4 > 0))
    for _kill in range(kills):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        seen.append(int((process.stdout.readline().split() or ["0"])[0]))  # it moves: what was done is known
        time.sleep(random.uniform(0, 1.0))
        process.send_signal(signal.SIGKILL)
        process.stdout.close()
        process.wait()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert scan(Reading(opened(target), "v1")) == files
    assert seen == sorted(seen), "what was done before a kill is done after it"
    # what the owner of the target does after a push
    assert StoredTarget(opened(target), "v1", "t1").finish(files) == ()
    opened(target).sweep(datetime.now(UTC) + timedelta(days=2), ())
    assert not list(opened(target).files(".coming")), "what was torn off is swept"
    if target_kind == "s3":
        left = seaweed.client().list_multipart_uploads(Bucket="tests", Prefix=target["prefix"])
        assert "Uploads" not in left, "no upload is left behind"
