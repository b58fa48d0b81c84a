"""What of a move is done already? A file of lines that only grows, read again after the process was killed at any line.

A line is written after what it says is true, so a line that is lost costs doing it again, and nothing else. Lines reach
the disk together, a second's worth at a time; a torn last line, and whatever stands behind it, is cut off.
"""

import fcntl
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self

from suanlian.storage.contract import Code, StorageError
from suanlian.storage.ends import Upload

_SYNC_S: Final = 1.0
_VERSION: Final = 1


@dataclass(slots=True)
class Begun:
    """A large file under way: its upload, and the tags of the parts that are there, by number from 1 on."""

    upload: Upload
    tags: dict[int, str] = field(default_factory=dict)


class Journal:
    """The journal of one move, held by one process at a time. Safe in several threads."""

    def __init__(self, path: Path, head: str) -> None:
        """Open it, or begin it anew where it is for another move; ``head`` says which one this is.

        Raises StorageError ``unreachable`` while another process holds it.
        """
        self.done: set[int] = set()
        """Numbers of files that were written and read back."""
        self.begun: dict[int, Begun] = {}
        self._lock, self._synced = Lock(), time.monotonic()
        path.touch(mode=0o600)
        self._file = path.open("r+b", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise StorageError(Code.UNREACHABLE, f"another process works with {path}") from error
        self.fresh = not self._read(head)
        """Nothing was known of this move."""
        if self.fresh:
            self._file.seek(0)
            self._file.truncate()
            self._write({"head": head, "version": _VERSION}, sync=True)
            _sync_folder(path.parent)

    def __enter__(self) -> Self:
        """It is open already."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Bring it to the disk, and close it."""
        with self._lock:
            os.fsync(self._file)
            self._file.close()

    def note_done(self, number: int) -> None:
        """File ``number`` is there, and was read back as it should be."""
        self._write({"done": number})

    def note_begun(self, number: int, upload: Upload) -> None:
        """Its upload has begun; on the disk at once, for parts without it are lost."""
        self._write({"begun": number, "upload": upload.id, "part_bytes": upload.part_bytes}, sync=True)

    def note_part(self, number: int, which: int, tag: str) -> None:
        """A part is there."""
        self._write({"part": number, "which": which, "tag": tag})

    def note_lost(self, number: int) -> None:
        """What was noted of this file does not hold: it is written anew."""
        self._write({"lost": number})

    def tags(self, number: int) -> dict[int, str]:
        """The parts that are there of a file that has begun, by number from 1 on."""
        with self._lock:
            begun = self.begun.get(number)
            return dict(begun.tags) if begun else {}

    def _write(self, entry: dict[str, Any], *, sync: bool = False) -> None:
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            self._apply(entry)
            self._file.write(line)
            if sync or time.monotonic() - self._synced > _SYNC_S:
                os.fsync(self._file)
                self._synced = time.monotonic()

    def _read(self, head: str) -> bool:
        """Apply what stands there, and cut off what is torn. Whether it is the journal of this move."""
        whole = 0
        for line in self._file.readlines():
            entry = _entry(line)
            if entry is None:
                break
            if not whole and (entry.get("head"), entry.get("version")) != (head, _VERSION):
                return False
            try:
                self._apply(entry)
            except (KeyError, TypeError, ValueError):
                break
            whole += len(line)
        self._file.seek(whole)
        self._file.truncate()
        return whole > 0

    def _apply(self, entry: dict[str, Any]) -> None:
        if "done" in entry:
            self.done.add(int(entry["done"]))
            self.begun.pop(int(entry["done"]), None)
        elif "begun" in entry:
            upload = Upload(str(entry["upload"]), int(entry["part_bytes"]))
            self.begun[int(entry["begun"])] = Begun(upload)
        elif "part" in entry:
            if begun := self.begun.get(int(entry["part"])):  # else it is done, or lost, already
                begun.tags[int(entry["which"])] = str(entry["tag"])
        elif "lost" in entry:
            self.done.discard(int(entry["lost"]))
            self.begun.pop(int(entry["lost"]), None)


def _entry(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
