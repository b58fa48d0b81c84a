"""Addresses in a task: of which kind, whether they lie where the operator allows, and how they are shown."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

from suanlian.model.tes import KEPT_SCHEME, TesKept
from suanlian.rules.tes.errors import bad

_PINNED: Final = re.compile(r"(https?://[^#]+)#sha256=([0-9a-f]{64})")


def pinned(url: str) -> tuple[str, str] | None:
    """Address and digest of an http(s) address that states the SHA-256 of what lies there as its fragment."""
    found = _PINNED.fullmatch(url)
    return None if found is None else (found[1], found[2])


def own_outputs(hub: str) -> str:
    """How the addresses of outputs that lie at this hub begin."""
    return f"{hub.rstrip('/')}/v1/jobs/"


def home_of(hub: str, job_id: str) -> str:
    """The address below which a task's outputs lie at the hub."""
    return f"{own_outputs(hub)}{job_id}/outputs/0/"


def own_output(hub: str, url: str) -> tuple[str, str] | None:
    """Job and path of an output that lies at this hub, where the address names one."""
    job, found, path = url.removeprefix(own_outputs(hub)).partition("/outputs/0/")
    is_own = url.startswith(own_outputs(hub)) and bool(found) and "/" not in job
    return (job, unquote(path.partition("?")[0])) if is_own else None


def brings(kept: TesKept) -> bool:
    """Whether any output is to be brought elsewhere."""
    return any(not output.url.startswith(KEPT_SCHEME) for output in kept.task.outputs or ())


def root_of(path: str, roots: Sequence[str]) -> str | None:
    """The root below which a path lies as it is written; no link was followed and nothing looked at."""
    if ".." in path.split("/") or "\x00" in path:
        return None
    return next((root for root in roots if path.startswith(f"{root.rstrip('/')}/")), None)


def scheme(url: str) -> str:
    """How an address is reached; a bare absolute path is a file."""
    return "file" if url.startswith("/") else urlsplit(url).scheme.lower()


def check_address(field: str, url: str) -> None:
    """Refuse an address of a kind that is not reached from here. Raises BadTaskError ``address_unsupported``."""
    try:
        parts, kind = urlsplit(url), scheme(url)
        usable = kind in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        kind, usable = "", False
    if usable and not any(char.isspace() for char in url):
        return
    if kind == "file" or url.startswith(KEPT_SCHEME):
        return
    wrong = f"{url[:80]!r} is none of http, https, file and suanlian: addresses, or has a user or a password in it."
    todo = "Object stores give out https addresses that are signed for a time: use one of those."
    raise bad(field, wrong, todo, "address_unsupported")


def file_path(url: str) -> str:
    """The path that a file: address names."""
    return url if url.startswith("/") else unquote(urlsplit(url).path)


def shown_address(url: str) -> str:
    """An address without its query, which may be a right to read or write."""
    return url.split("?", 1)[0] + ("?..." if "?" in url else "")
