"""Refused calls that matter, in the journal: who was turned away, where, why; never what they sent.

The unit of work of a refused call was rolled back; so this is written in a unit of its own, after it. It is bounded, so
that nobody can fill the journal by being refused: within a minute the same refusal of the same caller is one row, told
again with its count when the minute is over, and only so many different ones have a row of their own.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from suanlian.model.errors import UnavailableError
from suanlian.model.event import EventType
from suanlian.model.party import Caller
from suanlian.services.ports import Clock
from suanlian.store.unit import Unit
from suanlian.store.writer import Writer

WINDOW: Final = timedelta(minutes=1)
MOST_ROWS: Final = 30
"""So many different refusals have a row in a minute; the others are counted together."""
_STATUSES: Final = frozenset({401, 403})
_CODES: Final = frozenset(
    {
        "chain_broken",
        "countersignature_forged",
        "digest_mismatch",
        "duplicate_name",
        "qualification_expired",
        "status_forged",
    }
)
_KINDS: Final = (
    "audit_",
    "credit_code_",
    "delegation_",
    "descriptor_",
    "identity_",
    "invitation_",
    "key_",
    "measurement_",
    "protocol_",
    "session_",
    "signature_",
    "token_",
)
"""Codes of forged, stale, replayed or foreign documents and names, whatever their status."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused call. ``route`` is its pattern, never the address itself, which may carry anything."""

    route: str
    code: str
    status: int
    caller: Caller | None
    source: str
    """``api ADDRESS``, or ``connector ID`` of a call whose signature fits."""

    @property
    def matters(self) -> bool:
        """Whether it is written down: who was not known or not allowed, and whatever was forged or replayed."""
        return self.status in _STATUSES or self.code in _CODES or self.code.startswith(_KINDS)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes two refusals the same."""
        return self.route, self.code, "" if self.caller is None else self.caller.principal_id, self.source


@dataclass(slots=True)
class _Window:
    ends: datetime
    more: dict[tuple[str, str, str, str], tuple[Refusal, int]] = field(default_factory=dict)
    others: int = 0


class Refusals:
    """The refusals of one process; safe to use from several threads."""

    def __init__(self, writer: Writer, clock: Clock) -> None:
        """Nothing was refused yet."""
        self._writer = writer
        self._clock = clock
        self._lock = threading.Lock()
        self._window: _Window | None = None

    def note(self, refusal: Refusal) -> None:
        """Write it down, or count it. Does not wait, and never fails: the refusal itself is what must be answered."""
        if not refusal.matters:
            return
        self.flush()
        with self._lock:
            window = self._window
            if window is None:
                window = self._window = _Window(self._clock() + WINDOW)
            known = window.more.get(refusal.key)
            if known is not None:
                window.more[refusal.key] = (known[0], known[1] + 1)
                return
            if len(window.more) >= MOST_ROWS:
                window.others += 1
                return
            window.more[refusal.key] = (refusal, 0)
        self._write(refusal, 1)

    def flush(self, *, now: bool = False) -> None:
        """Tell the counts of a minute that is over; ``now``: of the one that goes on, too."""
        with self._lock:
            window = self._window
            if window is None or (not now and self._clock() < window.ends):
                return
            self._window = None
        for refusal, count in window.more.values():
            if count:
                self._write(refusal, count)
        if window.others:
            self._write(Refusal("others", "others", 0, None, ""), window.others)

    def _write(self, refusal: Refusal, count: int) -> None:
        with suppress(UnavailableError):  # the writer has too much to do, or has ended
            self._writer.submit(_recording(refusal, count), caller=refusal.caller, source=refusal.source)


def _recording(refusal: Refusal, count: int) -> Callable[[Unit], None]:
    def work(unit: Unit) -> None:
        unit.record(EventType.CALL_REFUSED, refusal.route, code=refusal.code, status=refusal.status, count=count)

    return work
