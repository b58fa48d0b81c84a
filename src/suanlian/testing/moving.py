"""A move as a process of its own, for a test that kills it: ``python -m suanlian.testing.moving ORDER.json``.

The order says between which storages what is moved; each second how far it is goes to the standard output.
"""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from suanlian.model.data import DataFile
from suanlian.model.data_protocol import MAX_GRANT_ITEMS, Direction, GrantPage, Window
from suanlian.storage.contract import PosixAt, S3At, Storage, Writable
from suanlian.storage.ends import Source, StoredSource, StoredTarget, Target
from suanlian.storage.granted import GrantedSource, GrantedTarget, Grants
from suanlian.storage.mover import Move, Progress, move
from suanlian.storage.posix import PosixStorage
from suanlian.storage.s3 import S3Storage
from suanlian.storage.web import Web

HOUR = timedelta(hours=1)


def opened(said: Mapping[str, Any]) -> Writable:
    """Storage as an order names it: ``{"root": ...}``, or the fields of ``S3At``."""
    return PosixStorage(PosixAt(Path(said["root"]))) if "root" in said else S3Storage(S3At(**said))


def grants(storage: Storage, place: str, files: list[DataFile], direction: Direction) -> Grants:
    """The pages of a grant, minted when they are asked for."""

    def page(number: int, _stale: GrantPage | None) -> GrantPage:
        some = files[number * MAX_GRANT_ITEMS : (number + 1) * MAX_GRANT_ITEMS]
        return storage.grant(place, some, direction, datetime.now(UTC) + HOUR)

    return Grants(page)


def ends(order: Mapping[str, Any], files: list[DataFile]) -> tuple[Source, Target]:
    """The two ends of a ``pull`` or a ``push``: one of them by a grant of the other's owner."""
    source, target = opened(order["source"]), opened(order["target"])
    if order["way"] == "push":
        push = GrantedTarget(grants(target, order["to"], files, Direction.WRITE), Web())
        return StoredSource(source, order["from"]), push
    folders = (Path(order["source"]["root"]) / ".grants",) if "root" in order["source"] else ()
    pull = GrantedSource(grants(source, order["from"], files, Direction.READ), Web(), folders)
    return pull, StoredTarget(target, order["to"], order["key"])


def main(path: Path) -> int:
    """Move what the order says; 0 when all is there."""
    order = json.loads(path.read_text())
    files = [DataFile(**file) for file in order["files"]]
    source, target = ends(order, files)
    now = datetime.now(UTC)
    window = Window(start=now - HOUR, end=now + HOUR, mbps=Decimal(order["mbps"]))

    def told(progress: Progress) -> None:
        print(progress.bytes_done, progress.files_done, flush=True)  # noqa: T201 - the test reads it

    asked = Move(files, source, target, Path(order["journal"]), order["key"], windows=(window,), on_progress=told)
    return 0 if move(asked) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
