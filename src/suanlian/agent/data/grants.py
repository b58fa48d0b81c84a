"""How does one side let the other read or write a few objects? Pages of a grant, sealed so that the hub reads nothing.

A page is bound to its task and token: one that was minted for another task, or before a retry, does not open. What a
page then says is still another's word: its addresses have to lead to the endpoint that the other storage publishes.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from pydantic import ValidationError

from suanlian.agent.vault import Vault
from suanlian.crypto.errors import CryptoCode, CryptoError, SealError
from suanlian.crypto.sealing import SealingKey, seal_to
from suanlian.model.data_protocol import (
    MAX_SEALED_GRANT_CHARS,
    DataGrantsCall,
    GrantPage,
    StorageTask,
)
from suanlian.sdk.connector import ConnectorClient
from suanlian.storage.contract import Code, StorageError

TYP: Final = "suanlian-storage-grant"
_PORTS: Final = {"http": 80, "https": 443}
_NOT_ADDRESSES: Final = "//upload"
"""The name of what is no address in a page to write: the upload that parts belong to."""


def sealed(page: GrantPage, task: StorageTask) -> str:
    """A page for whoever the task names. Raises StorageError where the key is none, or the page too long."""
    try:
        key = SealingKey.parse(task.sealing_key)
        text = seal_to(page.model_dump_json().encode(), key, TYP, bound(task.id, task.token))
    except (CryptoError, ValueError) as error:
        raise StorageError(Code.REFUSED, f"nothing can be sealed to the key that was named: {error}") from error
    if len(text) > MAX_SEALED_GRANT_CHARS:
        raise StorageError(Code.REFUSED, "the addresses of a page are too long")
    return text


def bound(task_id: str, token: int) -> dict[str, str]:
    """What a page belongs to: the task that minted it, and that task's token."""
    return {"task": task_id, "token": str(token)}


class GrantReader:
    """The pages of the grant that a task works with, asked of the hub one by one, opened and checked.

    ``told`` gives the task as the hub says it now: a grant that was renewed meanwhile has another token.
    """

    def __init__(
        self, hub: ConnectorClient, vault: Vault, clock: Callable[[], datetime], told: Callable[[], StorageTask]
    ) -> None:
        """Ask nothing yet."""
        self._hub, self._vault, self._clock, self._told = hub, vault, clock, told

    def page(self, number: int, stale: GrantPage | None = None) -> GrantPage:
        """Page ``number``; ``stale``: that one is no good any more.

        Raises StorageError: ``grant_expired`` where there is none that is good, ``refused`` where what is there does
        not open here or leads elsewhere; UnavailableError of the hub.
        """
        task = self._told()
        call = DataGrantsCall(task_id=task.grant_task, token=task.grant_token, page=number)
        answer = self._hub.data_grants(call)
        if answer.sealed is None:
            raise StorageError(Code.GRANT_EXPIRED, f"page {number} of the grant is not there")
        found = self._opened(task, answer.sealed, answer.token or task.grant_token)
        if found.expires_at <= self._clock() or found == stale:
            raise StorageError(Code.GRANT_EXPIRED, f"page {number} of the grant has run out")
        if found.direction is not task.direction:
            raise StorageError(Code.REFUSED, f"the grant lets us {found.direction}, not {task.direction}")
        for name, url in found.urls.items():
            if not name.endswith(_NOT_ADDRESSES) and not leads_below(url, task.other_endpoint):
                text = f"an address of the grant does not lead below {task.other_endpoint!r}"
                raise StorageError(Code.REFUSED, text, path=name.partition("//")[0][:200])
        return found

    def _opened(self, task: StorageTask, text: str, token: int) -> GrantPage:
        try:
            return GrantPage.model_validate_json(self._vault.open(text, TYP, bound(task.grant_task, token)))
        except (SealError, ValidationError) as error:
            if isinstance(error, SealError) and error.code == CryptoCode.KEY_UNKNOWN.value:
                # sealed to a key that its owner replaced: the next one is sealed to the key that is told now
                raise StorageError(Code.GRANT_EXPIRED, "the grant is sealed to a key that is not here") from error
            text = "the grant does not open here: it is another's, or another task's"
            raise StorageError(Code.REFUSED, text) from error


def leads_below(url: str, endpoint: str) -> bool:
    """Whether an address has the scheme, host and port of an endpoint, and a path below its own.

    A bucket may stand before the host, as S3 servers have it.
    """
    try:
        one, other = urlsplit(url), urlsplit(endpoint)
        ports = [part.port or _PORTS.get(part.scheme) for part in (one, other)]
    except ValueError:
        return False
    if "@" in one.netloc or one.scheme not in _PORTS or one.scheme != other.scheme or ports[0] != ports[1]:
        return False
    host, wanted = one.hostname or "", other.hostname or ""
    if not wanted or not (host == wanted or host.endswith(f".{wanted}")):
        return False
    base = other.path.rstrip("/")
    climbs = any(part in ("..", ".") for part in one.path.replace("%2e", ".").replace("%2E", ".").split("/"))
    return not climbs and "\\" not in one.path and (not base or one.path == base or one.path.startswith(f"{base}/"))
