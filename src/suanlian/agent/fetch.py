"""May an input be read from this address, and what lies there? An address that a buyer wrote is not to be trusted.

Only http and https, and only public host addresses, unless the owner listed the origin: or a job could read what lies
on the platform's own network. How it is called is in ``sdk.strangers``. The bytes must have the stated SHA-256.
"""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import stamina

from suanlian.model.errors import InvalidError, TooLargeError, UnavailableError
from suanlian.rules.addresses import refused_ip
from suanlian.sdk.connector import Departure
from suanlian.sdk.strangers import Download, HostUnknownError, Resolve, Strangers
from suanlian.sdk.transport import HttpClient

MAX_FETCH_S: Final = 1800
_TRIES: Final = 3
_OK: Final = 200
_SERVER: Final = 500


@dataclass(frozen=True, slots=True)
class Fetcher:
    """What a fetch works with. ``allowed_origins`` may be read though not public; ``max_bytes`` bounds one input."""

    http: HttpClient
    allowed_origins: Collection[str]
    max_bytes: int
    on_send: Callable[[Departure], None]
    resolve: Resolve

    def fetch(self, url: str, sha256: str, target: Path) -> None:
        """Write what lies at ``url`` to ``target``, which must not exist.

        Raises InvalidError ``input_origin_refused`` or ``checksum_mismatch``, TooLargeError, and UnavailableError when
        the address does not deliver after some tries: HostUnknownError ``input_host_unknown`` where its host does not
        exist.
        """
        stamina.RetryingCaller(attempts=_TRIES, timeout=None, wait_initial=0.2)(_passes, self._try, url, sha256, target)

    def _try(self, url: str, sha256: str, target: Path) -> None:
        target.unlink(missing_ok=True)
        strangers = Strangers(self.http, refused_ip, ports=None, resolve=self.resolve, on_call=self._told)
        try:
            with strangers.reading(url, self.allowed_origins, MAX_FETCH_S) as download:
                size, digest = self._keep(download, target)
        except HostUnknownError as error:
            raise HostUnknownError(error.code, f"The input {url[:500]} is not to be had: {error.wrong}.") from error
        except UnavailableError as error:
            raise UnavailableError(error.code, f"The input {url[:500]} is not to be had: {error.wrong}.") from error
        except InvalidError as error:
            todo = "Upload the file, or ask the platform's owner to list the origin."
            raise InvalidError(error.code, f"The input {url[:500]} is not read: {error.wrong}.", todo=todo) from error
        if size > self.max_bytes:
            raise TooLargeError("body_too_large", f"The input at {url[:500]} is longer than {self.max_bytes} bytes.")
        if digest != sha256:
            raise mismatch(url, sha256, digest)

    def _told(self, line: str) -> None:
        self.on_send(Departure(line, b""))

    def _keep(self, download: Download, target: Path) -> tuple[int, str]:
        """Write the body, no further than it may be long; its size and digest."""
        if download.status != _OK:
            text = f"it was answered with HTTP status {download.status}"
            unavailable = download.status >= _SERVER
            raise UnavailableError("hub_unavailable", text) if unavailable else InvalidError("not_found", text)
        seen, size = hashlib.sha256(), 0
        with target.open("xb") as stream:
            for chunk in download.chunks():
                size += len(chunk)
                if size > self.max_bytes:
                    break
                seen.update(chunk)
                stream.write(chunk)
        return size, seen.hexdigest()


def _passes(error: Exception) -> bool:
    return isinstance(error, UnavailableError) and not isinstance(error, HostUnknownError)


def mismatch(what: str, stated: str, found: str) -> InvalidError:
    """The error of bytes that are not those that were stated."""
    return InvalidError("checksum_mismatch", f"{what} has SHA-256 {found}, stated was {stated}.")
