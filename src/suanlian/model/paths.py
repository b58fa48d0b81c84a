"""Relative paths inside a job's working directory, and addresses that a job or a hub may call."""

from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, StringConstraints

from suanlian.model.base import plain_text

_MAX_PATH: Final = 255
_PORTS_OF: Final = {"http": 80, "https": 443}


def safe_path(text: str) -> str:
    """A relative POSIX path that stays where it is: no ``..``, no root, no empty part, no control character."""
    plain_text(text)
    if not text or len(text) > _MAX_PATH or text.startswith("/") or "\\" in text:
        msg = f"{text[:80]!r} is not a relative path of at most {_MAX_PATH} characters with forward slashes"
        raise ValueError(msg)
    if any(part in ("", ".", "..") for part in text.split("/")):
        msg = f"{text[:80]!r} leads out of its directory or has an empty part: write it without '..', '.' and '//'"
        raise ValueError(msg)
    return text


def _http_url(text: str) -> str:
    plain_text(text)
    parts = urlsplit(text)
    is_plain = "@" not in parts.netloc and not any(char.isspace() for char in text) and _port_fits(parts)
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain:
        msg = f"{text[:80]!r} is not an http or https address without a user, a password or a space in it"
        raise ValueError(msg)
    return text


def _port_fits(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:  # it is looked at only when it is asked for
        return False


Path = Annotated[str, AfterValidator(safe_path)]
"""A relative path inside the job's working directory."""

Url = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_http_url)]
"""An http or https address; whether its host may be read is decided when it is resolved."""


def leads_below(url: str, endpoint: str) -> bool:
    """Whether an address has the scheme, host and port of an endpoint, and a path below its own.

    A bucket may stand before the host, as S3 servers have it.
    """
    try:
        one, other = urlsplit(url), urlsplit(endpoint)
        ports = [part.port or _PORTS_OF.get(part.scheme) for part in (one, other)]
    except ValueError:
        return False
    if "@" in one.netloc or one.scheme not in _PORTS_OF or one.scheme != other.scheme or ports[0] != ports[1]:
        return False
    host, wanted = one.hostname or "", other.hostname or ""
    if not wanted or not (host == wanted or host.endswith(f".{wanted}")):
        return False
    base = other.path.rstrip("/")
    climbs = any(part in ("..", ".") for part in one.path.replace("%2e", ".").replace("%2E", ".").split("/"))
    return not climbs and "\\" not in one.path and (not base or one.path == base or one.path.startswith(f"{base}/"))
