"""On which machine does this agent run? Told as a digest that means nothing at another hub; its probes take turns.

It is the owner's word: who runs several agents on one machine may hide it, and then measures against itself.
"""

import hashlib
import uuid
from pathlib import Path
from typing import Final

_FILES: Final = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


def host_of(hub_id: str) -> str:
    """The machine's id, salted by the hub that it is told to; 64 hexadecimal digits."""
    return hashlib.sha256(f"suanlian-host\n{hub_id}\n{_machine()}".encode()).hexdigest()


def filesystem_of(hub_id: str, folder: Path) -> str:
    """In which file system of which machine a folder lies, salted likewise. Raises OSError where it is not there."""
    device = folder.stat().st_dev
    return hashlib.sha256(f"suanlian-filesystem\n{hub_id}\n{_machine()}\n{device}".encode()).hexdigest()


def _machine() -> str:
    for path in _FILES:
        try:
            if text := path.read_text(encoding="utf-8").strip():
                return text
        except (OSError, ValueError):
            continue
    return str(uuid.getnode())
