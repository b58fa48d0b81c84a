"""A person's leave to read or write a dataset's files: pages asked of the hub, opened and checked before they are used.

Each use has a key of its own, made here and kept nowhere: the hub carries what it cannot read. What a page says is
still another's word: its addresses have to lead below the endpoint that the storage publishes.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from pydantic import ValidationError

from suanlian.crypto.errors import SealError
from suanlian.crypto.sealing import SealingRing
from suanlian.model.data_protocol import GRANT_TYPE, Direction, GrantPage, grant_bound
from suanlian.model.dataset_api import DataGrant
from suanlian.model.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    SuanlianError,
    UnavailableError,
)
from suanlian.model.paths import leads_below
from suanlian.sdk.data import Data
from suanlian.storage.contract import Code, StorageError

MINTED_WITHIN_S: Final = 120.0
"""So long a storage's connector may take to give leave."""
_PASSING: Final = frozenset({Code.UNREACHABLE.value, Code.GRANT_EXPIRED.value, Code.TOO_SLOW.value})
"""Codes after which the hub asks the connector once more."""
_POLL_FIRST_S: Final = 0.1
_POLL_MOST_S: Final = 2.0
_POLL_GROWTH: Final = 1.5
_NOT_AN_ADDRESS: Final = "//upload"
"""The name of what is no address in a page to write: the upload that parts belong to."""

Ask = Callable[[str], DataGrant]
"""Asks for leave for whoever holds this key; again, it is renewed."""


@dataclass(slots=True)
class Leave:
    """The pages of one grant for a person, asked for one by one; renewed when they run out.

    ``wait_s``: so long a page may take to be minted. Errors of the hub are raised as they are; of a page that does not
    open or leads astray, ForbiddenError ``input_origin_refused``. Safe in several threads.
    """

    data: Data
    ask: Ask
    wait_s: float = MINTED_WITHIN_S
    _ring: SealingRing = field(default_factory=SealingRing.generate, repr=False)
    _given: DataGrant | None = None
    _opened_at: dict[int, int] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def given(self) -> DataGrant:
        """The grant as it was given last; asked for at first use."""
        if self._given is None:
            self._given = self.ask(self._ring.current.text)
        return self._given

    def page(self, number: int, stale: GrantPage | None = None) -> GrantPage:
        """Page ``number``, minted by the storage's connector; ``stale``: that one is no good any more."""
        with self._lock:
            if stale is not None and self._opened_at.get(number, -1) >= self.given.token:
                before = self.given
                self._given = self.ask(self._ring.current.text)
                if self._given.id != before.id:
                    self._opened_at.clear()
                    self.data.end_grant(before.id)
            page = self._minted(number)
            self._opened_at[number] = self.given.token
            return page

    def end(self) -> None:
        """It is needed no more; that it is over already is no error."""
        given, self._given = self._given, None
        if given is not None:
            try:
                self.data.end_grant(given.id)
            except SuanlianError:  # it is over already, or will be by itself
                return

    def _minted(self, number: int) -> GrantPage:
        given, pause, until = self.given, _POLL_FIRST_S, time.monotonic() + self.wait_s
        while True:
            shown = self.data.grant_page(given.id, number)
            if shown.sealed is not None:
                return self._opened(given, shown.sealed, shown.token)
            if shown.code and shown.code not in _PASSING:
                raise _refused(given, shown.code, shown.reason)
            if time.monotonic() > until:
                why = f": {shown.code}" if shown.code else ""
                raise UnavailableError(
                    "storage_unreachable",
                    f"The connector of {given.storage} has given no leave within {self.wait_s:g} s{why}.",
                    todo="Try again: what is done already stays. suanlian platforms shows which are heard of.",
                )
            time.sleep(pause)
            pause = min(_POLL_MOST_S, pause * _POLL_GROWTH)

    def _opened(self, given: DataGrant, sealed: str, token: int) -> GrantPage:
        try:
            page = GrantPage.model_validate_json(self._ring.open(sealed, GRANT_TYPE, grant_bound(given.id, token)))
        except (SealError, ValidationError) as error:
            raise _astray(given, "it does not open with the key that was made for it") from error
        self._given = given.model_copy(update={"token": token})
        if page.direction is not given.direction:
            raise _astray(given, f"it lets one {page.direction}, not {given.direction}")
        if page.folder and given.endpoint:
            raise _astray(given, "it names a folder, where the storage has an address")
        if page.folder and page.direction is Direction.WRITE:
            raise _astray(given, "it names a folder to write to")
        for name, url in page.urls.items():
            if not name.endswith(_NOT_AN_ADDRESS) and not leads_below(url, given.endpoint):
                raise _astray(given, f"an address in it does not lead below {given.endpoint!r}")
        return page


def _refused(given: DataGrant, code: str, reason: str) -> SuanlianError:
    return ConflictError(
        "storage_unfit",
        f"The owner of {given.storage} gives no leave ({code}{f': {reason}' if reason else ''}).",
        todo="Choose other storage (suanlian storage lists it), or ask the platform's owner.",
        field="storage",
    )


def _astray(given: DataGrant, why: str) -> SuanlianError:
    return ForbiddenError(
        "input_origin_refused",
        f"The leave that came for {given.storage} is not used: {why}.",
        todo="Nothing was sent there. Tell the platform's owner and the hub's operator.",
        field="storage",
    )


def told(error: StorageError, storage: str) -> SuanlianError:
    """What a storage did, as people are told it."""
    wrong = f"{storage}: {error}."
    if error.code in (Code.UNREACHABLE, Code.GRANT_EXPIRED, Code.TOO_SLOW):
        todo = "The same command again goes on where it stopped."
        return UnavailableError("storage_unreachable", wrong, todo=todo, field=error.path or None)
    if error.code is Code.TARGET_FULL:
        return ConflictError("storage_full", wrong, todo="suanlian storage lists others.", field=error.path or None)
    if error.code is Code.SOURCE_GONE:
        todo = "Let the copy be read anew: suanlian data verify."
        return NotFoundError("not_found", wrong, todo=todo, field=error.path or None)
    if error.code is Code.CHECKSUM_MISMATCH:
        todo = "Let the copy be read anew: suanlian data verify; or name another with --from."
        return SuanlianError("checksum_mismatch", wrong, todo=todo, field=error.path or None)
    todo = "Rename the file, or name other storage."
    return InvalidError("storage_unfit", wrong, todo=todo, field=error.path or None)
