"""From a job's pipe to its file, up to a limit."""

import os
from pathlib import Path

_CHUNK = 65536


class Stream:
    """One stream of a job: at most ``limit`` bytes reach the file, the rest is read and dropped."""

    def __init__(self, source: int, path: Path, limit: int) -> None:
        """Read from the non-blocking descriptor ``source``; create the file."""
        self.source = source
        self.open = True
        self.full = False
        self._room = limit
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def pump(self) -> bool:
        """Move what is there now, at most one chunk; False when there was nothing or the job closed it."""
        try:
            chunk = os.read(self.source, _CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            self.open = False
            return False
        self.full = self.full or len(chunk) > self._room
        self._put(chunk[: self._room])
        self._room -= min(self._room, len(chunk))
        return True

    def _put(self, chunk: bytes) -> None:
        while chunk:
            chunk = chunk[os.write(self._file, chunk) :]

    def finish(self, line: str = "") -> None:
        """Move the rest, then append the keeper's own line on a line of its own, limit or not, and make all durable."""
        while self.pump():
            pass
        if line:
            self._put(line.encode())
        os.fsync(self._file)
        os.close(self._file)
        os.close(self.source)
