"""Say numbered lines in even intervals, so that it can be seen whether a log comes while a job runs, whole and once."""

import os
import sys
import time
from collections.abc import Mapping
from typing import Any


def run(values: Mapping[str, Any]) -> int:
    """``begin TOKEN``, then ``tick 1`` to ``tick N``. The token tells two runs of one job apart."""
    interval_s = values["interval_ms"] / 1000
    _say(f"begin {os.urandom(8).hex()}")
    start = time.monotonic()
    for number in range(1, values["lines"] + 1):
        time.sleep(max(0.0, start + number * interval_s - time.monotonic()))
        _say(f"tick {number}")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
