"""Which storage does this connector have, and how is it opened? By agent.toml, with secrets from where it says."""

import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Final

from suanlian.agent.config import AgentConfig
from suanlian.agent.data.terms import StorageHere, is_below
from suanlian.model.data import StorageKind, StorageShare
from suanlian.model.platform import Site
from suanlian.storage.contract import At, Code, HttpAt, PosixAt, S3At, Storage, StorageError, Writable
from suanlian.storage.registry import open_storage

_MAX_SECRET_BYTES: Final = 4096
_MIB: Final = 1024 * 1024


class Stores:
    """The storage of one connector by its name; each is opened when it is first needed. Safe to use from threads."""

    def __init__(self, config: AgentConfig, state: Path) -> None:
        """Open nothing yet. ``state``: the agent's own directory, which is nobody's storage."""
        self._shares = {share.name: share for share in config.inventory.storage}
        self._sites = {site.name: site for site in config.inventory.sites}
        self._here: Mapping[str, StorageHere] = config.storage
        self._state = state
        self._open: dict[str, Storage] = {}
        self._lock = Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """Of every storage that is published."""
        return tuple(self._shares)

    def share(self, name: str) -> StorageShare:
        """What is published of it. Raises StorageError where there is none of this name."""
        share = self._shares.get(name)
        if share is None:
            raise StorageError(Code.REFUSED, f"this connector has no storage {name!r}")
        return share

    def here(self, name: str) -> StorageHere:
        """How it is reached."""
        return self._here.get(name) or StorageHere()

    def site(self, name: str) -> Site:
        """Where it is."""
        return self._sites[self.share(name).site]

    def root(self, name: str) -> Path | None:
        """Its folder on this machine; None for storage that is none."""
        return self.here(name).root if self.share(name).kind is StorageKind.POSIX else None

    def free(self, name: str) -> int | None:
        """So many bytes may still come, by what the owner keeps free; None where nobody knows."""
        free = self.open(name).free()
        return None if free is None else max(0, free - self.here(name).keep_free * _MIB)

    def open(self, name: str) -> Storage:
        """The storage. Raises StorageError ``unreachable`` where it or its secrets are not there."""
        with self._lock:
            if name not in self._open:
                self._open[name] = open_storage(self._at(name))
            return self._open[name]

    def writable(self, name: str) -> Writable:
        """The storage, to be written. Raises StorageError ``refused`` where it is only read."""
        found = self.open(name)
        if self.share(name).read_only or not isinstance(found, Writable):
            raise StorageError(Code.REFUSED, f"storage {name!r} is only read")
        return found

    def close(self) -> None:
        """Give back what is open."""
        with self._lock:
            for storage in self._open.values():
                storage.close()
            self._open.clear()

    def _at(self, name: str) -> At:
        share, here = self.share(name), self.here(name)
        if share.kind is StorageKind.POSIX and here.root is not None:
            self._check_apart(name, here.root)
            return PosixAt(here.root, read_only=share.read_only, shared=here.shared)
        if share.kind is StorageKind.HTTP:
            return HttpAt(here.url or share.endpoint, index=here.index, ca=here.ca_file)
        return S3At(
            endpoint=here.endpoint_here or share.endpoint,
            bucket=here.bucket or "",
            access_key_id=secret(here.key_id, name),
            secret_access_key=secret(here.secret, name),
            session_token=secret(here.session_token, name) or None,
            prefix=here.prefix,
            region=here.region,
            grant_endpoint=share.endpoint,
            ca=here.ca_file,
            read_only=share.read_only,
        )

    def _check_apart(self, name: str, root: Path) -> None:
        """The agent's keys are no data: its directory is never within storage, by whatever links it is named."""
        real, state = root.resolve(), self._state.resolve()
        if is_below(real, state) or is_below(state, real):
            text = f"the root of storage {name!r} and the agent's state directory lie in each other"
            raise StorageError(Code.REFUSED, text)


def secret(reference: str | None, storage: str) -> str:
    """What a reference names; empty for none. Raises StorageError ``unreachable`` where it is not there."""
    if reference is None:
        return ""
    scheme, _colon, where = reference.partition(":")
    if scheme == "env":
        found = os.environ.get(where, "")
    else:
        found = _read(Path(where), _MAX_SECRET_BYTES, f"a secret of storage {storage!r}").strip()
    if not found:
        raise StorageError(Code.UNREACHABLE, f"storage {storage!r}: {reference} holds nothing")
    return found


def _read(file: Path, most: int, what: str) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(most).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise StorageError(Code.UNREACHABLE, f"{what} cannot be read from {file}: {reason}") from error
