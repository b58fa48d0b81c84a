"""How fast may bytes go now? By windows of time, each with a rate: a bucket of tokens that fills as the window says."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from threading import Event, Lock
from typing import Final

from suanlian.model.data_protocol import Window
from suanlian.storage.contract import MIB, Code, StorageError

BURST_S: Final = 0.25
"""The bucket holds what flows in so long a time, though a mebibyte at least."""
_LOOK_S: Final = 1.0
_WATCHED_S: Final = 60.0
_SLOWEST: Final = 0.01
_BITS: Final = 8
_MEGA: Final = 1_000_000


class Pace:
    """Says how long to wait before so many bytes go. No windows: never. Safe in several threads."""

    def __init__(self, windows: Sequence[Window], clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """``windows`` do not overlap."""
        self._windows = sorted(windows, key=lambda window: window.start)
        self._clock, self._lock = clock, Lock()
        self._window: Window | None = None
        self._tokens, self._at = 0.0, clock()

    def wait_s(self, size: int) -> float:
        """Take leave for ``size`` bytes; how many seconds to wait before they go. Each byte is counted once.

        Raises StorageError ``too_slow`` when the last window is over.
        """
        if not self._windows:
            return 0.0
        with self._lock:
            now = self._clock()
            window = self._now_or_next(now)
            rate = float(window.mbps) * _MEGA / _BITS
            if window is not self._window:  # what the last one left is not saved up, what it owes is owed
                self._window, self._at = window, max(now, window.start)
                self._tokens = min(0.0, self._tokens)
            moment = max(now, window.start)
            self._tokens = min(max(rate * BURST_S, MIB), self._tokens + (moment - self._at).total_seconds() * rate)
            self._at = moment
            self._tokens -= size
            before = (window.start - now).total_seconds() if now < window.start else 0.0
            return max(0.0, before) + (-self._tokens / rate if self._tokens < 0 else 0.0)

    def due(self, start: datetime, end: datetime) -> float:
        """So many bytes could go between two moments."""
        spans = ((min(end, one.end) - max(start, one.start)).total_seconds() * float(one.mbps) for one in self._windows)
        return sum(max(0.0, span) for span in spans) * _MEGA / _BITS

    def _now_or_next(self, now: datetime) -> Window:
        for window in self._windows:
            if now < window.end and window.mbps > 0:
                return window
        raise StorageError(Code.TOO_SLOW, "the hours of the plan are over, and not all is moved: plan anew")


def sleep(pace: Pace, size: int, halt: Event) -> None:
    """Wait until ``size`` bytes may go, or until ``halt``."""
    left = pace.wait_s(size)
    until = time.monotonic() + left
    while left > 0 and not halt.wait(min(left, _LOOK_S)):
        left = until - time.monotonic()


class Watch:
    """Whether what goes is at least a hundredth of what is planned, over a minute. Looked at by one thread."""

    def __init__(self, pace: Pace, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """It begins to look now."""
        self._pace, self._clock = pace, clock
        self._since, self._bytes = clock(), 0

    def look(self, sent: int) -> None:
        """``sent``: bytes that went since the beginning. Raises StorageError ``too_slow``."""
        now = self._clock()
        if (now - self._since).total_seconds() < _WATCHED_S:
            return
        due = self._pace.due(self._since, now)
        if sent - self._bytes < due * _SLOWEST:
            text = f"{sent - self._bytes} bytes in a minute, where the plan has {due:.0f}: plan anew"
            raise StorageError(Code.TOO_SLOW, text)
        self._since, self._bytes = now, sent
