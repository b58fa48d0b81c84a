"""How does one side let the other read or write a few objects? Pages of a grant, sealed so that the hub reads nothing.

A page is bound to its task and token: one that was minted for another task, or before a retry, does not open. What a
page then says is still another's word: its addresses have to lead to the endpoint that the other storage publishes.
"""

import time
from typing import Final

from pydantic import ValidationError

from suanlian.agent.data.kit import Kit, Run
from suanlian.agent.data.row import report_of
from suanlian.crypto.errors import CryptoCode, CryptoError, SealError
from suanlian.crypto.sealing import SealingKey, seal_to
from suanlian.model.data_protocol import (
    GRANT_TYPE,
    MAX_SEALED_GRANT_CHARS,
    DataGrantsCall,
    DataReportCall,
    GrantPage,
    StorageTask,
    TaskState,
    grant_bound,
)
from suanlian.model.paths import leads_below
from suanlian.storage.contract import Code, StorageError

_LOOK_S: Final = 0.5
_NOT_ADDRESSES: Final = "//upload"
"""The name of what is no address in a page to write: the upload that parts belong to."""


def sealed(page: GrantPage, task: StorageTask) -> str:
    """A page for whoever the task names. Raises StorageError where the key is none, or the page too long."""
    try:
        key = SealingKey.parse(task.sealing_key)
        text = seal_to(page.model_dump_json().encode(), key, GRANT_TYPE, grant_bound(task.id, task.token))
    except (CryptoError, ValueError) as error:
        raise StorageError(Code.REFUSED, f"nothing can be sealed to the key that was named: {error}") from error
    if len(text) > MAX_SEALED_GRANT_CHARS:
        raise StorageError(Code.REFUSED, "the addresses of a page are too long")
    return text


class GrantReader:
    """The pages of the grant that a task works with, asked of the hub one by one, opened and checked."""

    def __init__(self, kit: Kit, run: Run) -> None:
        """Ask nothing yet."""
        self._kit, self._run = kit, run

    def page(self, number: int, stale: GrantPage | None = None) -> GrantPage:
        """Page ``number``, waited for while it is being minted; ``stale``: that one is no good any more.

        Raises StorageError: ``grant_expired`` where none comes, ``refused`` where what is there does not open here or
        leads elsewhere; errors of the hub, HaltedError.
        """
        until, is_told = time.monotonic() + self._kit.patience_s, False
        while True:
            found, is_out = self._asked(number, stale)
            if found is not None:
                return found
            if is_out and not is_told:
                self._tell()
                is_told = True
            if time.monotonic() > until:
                raise StorageError(Code.GRANT_EXPIRED, f"page {number} of the grant is not there, or has run out")
            self._run.stop.wait(_LOOK_S)
            self._run.check()

    def _asked(self, number: int, stale: GrantPage | None) -> tuple[GrantPage | None, bool]:
        """The page as the hub has it now, where it is good; and whether one is there that is not."""
        desk, task = self._kit.desk, self._run.told()  # a grant that was renewed meanwhile has another token
        call = DataGrantsCall(task_id=task.grant_task, token=task.grant_token, page=number)
        answer = desk.hub.data_grants(call)
        if answer.sealed is None:
            return None, False
        found = self._opened(task, answer.sealed, answer.token or task.grant_token)
        if found is None or found.expires_at <= desk.clock() or found == stale:
            return None, True
        _check(found, task)
        return found, False

    def _tell(self) -> None:
        """The hub knows when a page should run out: of one that is no good before, it is told."""
        report = report_of(self._run.task, TaskState.GOING, code=Code.GRANT_EXPIRED.value)
        self._kit.desk.hub.data_report(DataReportCall(reports=(report,)))

    def _opened(self, task: StorageTask, text: str, token: int) -> GrantPage | None:
        """None where it is sealed to a key that was replaced here: the next one is sealed to the present one."""
        try:
            return GrantPage.model_validate_json(
                self._kit.desk.vault.open(text, GRANT_TYPE, grant_bound(task.grant_task, token))
            )
        except (SealError, ValidationError) as error:
            if isinstance(error, SealError) and error.code == CryptoCode.KEY_UNKNOWN.value:
                return None
            text = "the grant does not open here: it is another's, or another task's"
            raise StorageError(Code.REFUSED, text) from error


def _check(page: GrantPage, task: StorageTask) -> None:
    if page.direction is not task.direction:
        raise StorageError(Code.REFUSED, f"the grant lets us {page.direction}, not {task.direction}")
    for name, url in page.urls.items():
        if not name.endswith(_NOT_ADDRESSES) and not leads_below(url, task.other_endpoint):
            text = f"an address of the grant does not lead below {task.other_endpoint!r}"
            raise StorageError(Code.REFUSED, text, path=name.partition("//")[0][:200])
