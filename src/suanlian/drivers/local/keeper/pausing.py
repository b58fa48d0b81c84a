"""Let a running job stand still and go on, as its driver wishes: by its control group, else process by process."""

import contextlib
import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

from suanlian.drivers.local.cgroup import Group
from suanlian.drivers.local.keeper import processes, record

_PASSES = 100


class Pausing:
    """Whether one job stands still. The wish is a file, so that it outlives whoever had it."""

    def __init__(self, job: Path, group: Group | None, *, sandboxed: bool) -> None:
        """Nothing stands still yet."""
        self._job, self._sandboxed = job, sandboxed
        self._group = group if group is not None and group.freezes() else None
        self._asked = self._over = False
        self._since: float | None = None
        self._stood_s = 0.0

    def look(self) -> None:
        """Do what is wished now; the keeper looks at every tick. Raises OSError."""
        wanted = not self._over and (self._job / record.PAUSE).exists()
        if not wanted:
            self._go_on()
        elif self._since is None and self._stop():
            self._since = time.monotonic()
            record.write(self._job / record.PAUSED, {"since": datetime.now(UTC).isoformat()}, durable=False)

    def over(self) -> None:
        """The job is to end: it goes on now, and stands still no more."""
        self._over = True
        self._go_on()

    def stood_s(self, now: float) -> float:
        """How long it has stood still in all; ``now`` is of the monotonic clock."""
        return self._stood_s + (0.0 if self._since is None else now - self._since)

    def _stop(self) -> bool:
        """Stop all; whether all have stopped by now."""
        self._asked = True
        if self._group is not None:
            self._group.freeze(wanted=True)
            return self._group.frozen()
        stopped: set[int] = set()
        for _ in range(_PASSES):  # what stands still starts no more: again until nothing new is seen
            seen = set(self._inside())
            if not seen - stopped:
                break
            processes.send(seen - stopped, signal.SIGSTOP)
            stopped |= seen
        return True

    def _go_on(self) -> None:
        if not self._asked:
            return
        self._asked = False
        if self._group is not None:
            with contextlib.suppress(FileNotFoundError):
                self._group.freeze(wanted=False)
        else:
            processes.send(self._inside(), signal.SIGCONT)
        self._stood_s, self._since = self.stood_s(time.monotonic()), None
        (self._job / record.PAUSED).unlink(missing_ok=True)

    def _inside(self) -> list[int]:
        return processes.inside(os.getpid(), sandboxed=self._sandboxed)
