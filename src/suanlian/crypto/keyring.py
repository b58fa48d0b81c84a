"""Where do a hub's key, the next one and the ones before lie?  Files of its home, safe at any line of a change.

The key in use is `hub.key`; the next one is made as `hub.key.next`, and takes that place once the store says that it is
the hub's; the one before is kept as `hub-keys/NAME.key`, because whoever pinned it is answered by it for a while.
"""

from contextlib import suppress
from pathlib import Path
from typing import Final

from suanlian.crypto.errors import CryptoCode, KeyFileError
from suanlian.crypto.keys import KeyPair

KEY_FILE: Final = "hub.key"
_NEXT: Final = "hub.key.next"
_PAST: Final = "hub-keys"


def prepared(home: Path) -> KeyPair:
    """The next key: one that was made and not taken up, else a fresh one."""
    path = home / _NEXT
    if not path.exists():
        KeyPair.generate().save(path)
    return KeyPair.load(path)


def set_aside(home: Path) -> None:
    """Keep the key in use among those before; a second time is no error."""
    folder, keypair = home / _PAST, KeyPair.load(home / KEY_FILE)
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{keypair.key_id}.key"
    if not path.exists():
        with suppress(KeyFileError):  # the other one was first
            keypair.save(path)


def in_use(home: Path, newest: str | None) -> KeyPair:
    """The key that the store names as the hub's; one that was made for it takes its place now.

    ``newest`` None: the store names none yet. Raises `KeyFileError` where no file holds that key.
    """
    path = home / KEY_FILE
    if newest is None or path.exists():
        keypair = KeyPair.load(path)
        if newest is None or keypair.public_text == newest:
            return keypair
    with suppress(KeyFileError, FileNotFoundError):  # another process may do the same at this moment
        if KeyPair.load(home / _NEXT).public_text == newest:
            if path.exists():
                set_aside(home)
            (home / _NEXT).replace(path)
    if path.exists() and (keypair := KeyPair.load(path)).public_text == newest:
        return keypair
    message = f"no file in {home} holds the key {newest} that the store names; bring back the {KEY_FILE} that does"
    raise KeyFileError(CryptoCode.KEY_FILE_MISSING, message)


def past(home: Path, key_id: str) -> KeyPair | None:
    """A key before, where it is still kept."""
    path = home / _PAST / f"{key_id}.key"
    return KeyPair.load(path) if path.exists() else None
