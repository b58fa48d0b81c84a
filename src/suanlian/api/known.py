"""What is asked at every call and changes seldom, kept for a moment: who a key belongs to, which places there are.

A key that is revoked opens nothing in this process from COMMIT on; in other replicas for at most ``CALLER_AGE`` longer.
"""

import hashlib
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Final

from suanlian.model.event import EventType
from suanlian.model.party import Caller
from suanlian.services.callers import caller_of
from suanlian.services.catalogue import places
from suanlian.services.checking import Checks, Terms
from suanlian.services.ports import Clock, Secrets
from suanlian.store.unit import Unit

CALLER_AGE: Final = timedelta(seconds=5)
PLACES_AGE: Final = timedelta(seconds=2)
_MOST_CALLERS: Final = 10_000
_CHANGES_PLACES: Final = frozenset(
    {
        EventType.INVENTORY_CHANGED,
        EventType.OFFER_PUBLISHED,
        EventType.PLATFORM_LIVE,
        EventType.PLATFORM_SUSPENDED,
        EventType.PLATFORM_FROZEN,
        EventType.PLATFORM_MOVED,
        EventType.CONNECTOR_ADMITTED,
        EventType.ENTITY_CHECKED,
        EventType.ENTITY_REFUSED,
        EventType.CONNECTOR_LEVEL,
        EventType.CONNECTOR_PARTNERS,
    }
)

_CHANGES_CALLERS: Final = frozenset(
    {EventType.KEY_REVOKED, EventType.ENTITY_CHECKED, EventType.ENTITY_REFUSED, EventType.ENTITY_CHANGED}
)

Reading = Callable[[], AbstractContextManager[Unit]]
"""Opens a unit that reads."""


class Known:
    """The values of a moment ago, by themselves fresh again; safe to use from several threads."""

    def __init__(self, reading: Reading, clock: Clock, secrets: Secrets, terms: Terms) -> None:
        """Nothing is known yet."""
        self._reading = reading
        self._clock = clock
        self._secrets = secrets
        self._terms = terms
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._callers: dict[bytes, tuple[datetime, Caller]] = {}
        self._forgotten = 0
        """How often something became durable: what was read before that is told once and not kept."""
        self._checks: tuple[datetime, Checks] | None = None

    def caller_at_once(self, key: str) -> Caller | None:
        """Who the key belongs to, if that is known; asks no store."""
        kept = self._callers.get(_digest(key))
        return kept[1] if kept is not None and kept[0] > self._clock() else None

    def caller(self, key: str) -> Caller:
        """Who the key belongs to. Raises UnauthenticatedError."""
        before = self._forgotten
        with self._reading() as unit:
            found = caller_of(unit, key, self._secrets)
        with self._lock:
            if before != self._forgotten:
                return found.caller
            if len(self._callers) >= _MOST_CALLERS:
                self._callers.clear()
            self._callers[_digest(key)] = (min(self._clock() + CALLER_AGE, found.expires_at), found.caller)
        return found.caller

    def checks(self) -> Checks:
        """What a submission is checked against; it need not be of this very instant."""
        kept = self._checks
        if kept is not None and kept[0] > self._clock():
            return kept[1]
        with self._looking:
            return self._look()

    def _look(self) -> Checks:
        kept = self._checks
        if kept is not None and kept[0] > self._clock():
            return kept[1]  # another thread has just looked
        until, before = self._clock() + PLACES_AGE, self._forgotten
        with self._reading() as unit:
            found = Checks.of(places(unit), self._terms)
        with self._lock:
            if before == self._forgotten:
                self._checks = (until, found)
        return found

    def forget(self, topics: Iterable[str]) -> None:
        """These events have just become durable: what they change is asked anew."""
        happened = set(topics)
        for changes, forget in ((_CHANGES_PLACES, self._forget_places), (_CHANGES_CALLERS, self._callers.clear)):
            if not changes.isdisjoint(happened):
                with self._lock:
                    self._forgotten += 1
                    forget()

    def _forget_places(self) -> None:
        self._checks = None


def _digest(key: str) -> bytes:
    """Keys are not kept, not even in memory."""
    return hashlib.sha256(key.encode()).digest()
