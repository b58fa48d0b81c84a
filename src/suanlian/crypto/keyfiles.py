"""How does a private key lie on the disk? Whole or not at all, and readable by its owner alone."""

import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from suanlian.crypto.errors import CryptoCode, KeyFileError

MAX_KEY_FILE_BYTES: Final = 8192
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def read_private(path: Path, *, most: int = MAX_KEY_FILE_BYTES) -> bytes:
    """Read up to ``most`` bytes of a file that only its owner can use; else `KeyFileError`."""
    try:
        with path.open("rb") as stream:
            # asked of the open file, not of the path, which may be swapped in between
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            if mode & _OTHERS:
                message = f"{path} has mode {mode:04o}: others can use it; run: chmod 600 {path}"
                raise KeyFileError(CryptoCode.KEY_FILE_EXPOSED, message)
            return stream.read(most)
    except FileNotFoundError as error:
        message = f"there is no private key at {path}; create one or correct the path"
        raise KeyFileError(CryptoCode.KEY_FILE_MISSING, message) from error


def write_private(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write with mode 0600, synced to disk; an existing file is kept and `KeyFileError` raised unless ``replace``."""
    # mkstemp opens with O_EXCL and mode 0600: no instant at which others could read it
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        _publish(temporary, path, replace=replace)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_directory(path.parent)


def _publish(temporary: Path, path: Path, *, replace: bool) -> None:
    if replace:
        temporary.replace(path)
        return
    try:
        path.hardlink_to(temporary)  # unlike rename, fails when the name is taken
    except FileExistsError as error:
        message = f"{path} exists and is kept; move it away first, or ask to replace it"
        raise KeyFileError(CryptoCode.KEY_FILE_EXISTS, message) from error


def _sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
