"""Keep memory in use for a while, really: every page of it is written."""

import sys
import time
from collections.abc import Mapping
from typing import Any, Final

_MIB: Final = 1024 * 1024
_PAGE: Final = 4096


def run(values: Mapping[str, Any]) -> int:
    """Take the memory, wait, and say ``held``."""
    start = time.monotonic()
    kept = [written() for _ in range(values["memory_mib"])]
    time.sleep(max(0.0, start + values["hold_ms"] / 1000 - time.monotonic()))
    sys.stdout.write(f"held {len(kept)} MiB\n")
    return 0


def written() -> bytearray:
    """A mebibyte that is really taken from the machine."""
    block = bytearray(_MIB)
    for at in range(0, _MIB, _PAGE):
        block[at] = 1  # zeros alone are not taken from the machine
    return block
