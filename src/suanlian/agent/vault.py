"""Where are the secrets of attempts here? Sealed, in a file an attempt, from its staging until it is forgotten.

They are opened in memory alone, with this connector's own key, for this attempt and token alone. Ledger and journal
never see them. A key that was replaced is kept as long as something is here that was sealed to it.
"""

import base64
from collections.abc import Collection, Mapping
from pathlib import Path
from threading import Lock
from typing import Final

from pydantic import ValidationError

from suanlian.agent.config import Home
from suanlian.agent.redaction import Redactor
from suanlian.agent.row import Row
from suanlian.crypto.errors import SealError
from suanlian.crypto.keyfiles import write_private
from suanlian.crypto.sealing import Bound, SealingKey, SealingRing, key_id_of
from suanlian.model.errors import ConflictError, UnavailableError
from suanlian.model.ids import AttemptId
from suanlian.model.secret import SecretContents

TYP: Final = "suanlian-secrets-of-attempt"
Values = Mapping[str, bytes]
"""What each secret says, by its name."""


class Vault:
    """Over the state directory; safe to use from several threads."""

    def __init__(self, home: Home, connector_id: str) -> None:
        """Make the key pair where there is none yet. Raises KeyFileError."""
        self._ring_file, self._folder, self._connector_id = home.sealing, home.sealed, connector_id
        self._lock = Lock()
        self._opened: dict[str, Values] = {}
        self._redactors: dict[str, Redactor] = {}
        if not self._ring_file.exists():
            SealingRing.generate().save(self._ring_file)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._stamp, self._ring = self._ring_file.stat().st_mtime_ns, SealingRing.load(self._ring_file)

    @property
    def key(self) -> SealingKey:
        """The key to which the hub is to seal from now on; the owner may have replaced it a moment ago."""
        return self._keys().current

    def _keys(self) -> SealingRing:
        stamp = self._ring_file.stat().st_mtime_ns
        if stamp != self._stamp:
            self._stamp, self._ring = stamp, SealingRing.load(self._ring_file)
        return self._ring

    def kept(self, row: Row) -> Values | None:
        """The secrets of an attempt that are here; None when there are none. Raises ConflictError."""
        with self._lock:
            known = self._opened.get(row.attempt_id)
            if known is not None:
                return known
            try:
                text = self._path(row.attempt_id).read_text(encoding="ascii")
            except FileNotFoundError:
                return None
            return self._remember(row, self._open(row, text))

    def keep(self, row: Row, sealed: str) -> Values:
        """Open what the hub sealed for this attempt and keep it sealed.

        Raises ConflictError ``secret_unreadable``; UnavailableError when it was sealed to a key that is gone: the hub
        is told of the present one.
        """
        with self._lock:
            kid = _key_of(sealed)
            if all(pair.public.key_id != kid for pair in self._keys().pairs):
                raise UnavailableError("secret_unreadable", "The secrets are sealed to a key that is not here.")
            values = self._open(row, sealed)
            write_private(self._path(row.attempt_id), sealed.encode("ascii"), replace=True)
            return self._remember(row, values)

    def none(self, row: Row) -> Values:
        """Remember that the attempt's job has no secrets."""
        with self._lock:
            return self._remember(row, {})

    def redactor(self, row: Row) -> Redactor | None:
        """What masks the secrets of an attempt; None when nothing is known of them here."""
        with self._lock:
            return self._redactors.get(row.attempt_id)

    def drop(self, attempt_id: AttemptId) -> None:
        """Remove every trace of an attempt's secrets."""
        with self._lock:
            self._opened.pop(attempt_id, None)
            self._redactors.pop(attempt_id, None)
            self._path(attempt_id).unlink(missing_ok=True)

    def tidy(self, live: Collection[str], *, told: str) -> None:
        """Drop what belongs to no live attempt; and keys that nothing needs, once the hub was ``told`` the newest."""
        with self._lock:
            here = [path for path in self._folder.iterdir() if not path.name.startswith(".")]
            for path in here:
                if path.name not in live:
                    path.unlink(missing_ok=True)
            needed = {_key_of(path.read_text(encoding="ascii")) for path in here if path.name in live}
            ring = self._keys()
            idle = [pair.public.key_id for pair in ring.pairs[1:] if pair.public.key_id not in needed]
            if idle and told == ring.current.text:
                ring.without(idle).save(self._ring_file)

    def open(self, text: str, typ: str, bound: Bound) -> bytes:
        """What was sealed to this connector as this ``typ``, bound so. Raises SealError."""
        with self._lock:
            return self._keys().open(text, typ, bound)

    def _path(self, attempt_id: str) -> Path:
        return self._folder / attempt_id

    def _remember(self, row: Row, values: Values) -> Values:
        self._opened[row.attempt_id] = values
        self._redactors[row.attempt_id] = Redactor.of(values.values())
        return values

    def _open(self, row: Row, sealed: str) -> Values:
        bound = {"attempt": row.attempt_id, "token": str(row.token), "connector": self._connector_id}
        try:
            contents = SecretContents.model_validate_json(self._keys().open(sealed, TYP, bound))
            return {name: base64.b64decode(text, validate=True) for name, text in contents.values.items()}
        except (SealError, ValidationError, ValueError) as error:
            raise _unreadable() from error


def rotate(home: Home) -> SealingKey:
    """Begin a new key; the old one opens what was sealed to it until nothing of that is left. Raises KeyFileError."""
    ring = SealingRing.load(home.sealing).rotated() if home.sealing.exists() else SealingRing.generate()
    ring.save(home.sealing)
    return ring.current


def _key_of(sealed: str) -> str:
    try:
        return key_id_of(sealed)
    except SealError as error:
        raise _unreadable() from error


def _unreadable() -> ConflictError:
    return ConflictError("secret_unreadable", "The secrets that the hub sent do not open for this attempt.")
