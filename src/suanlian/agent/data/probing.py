"""PROBE: how long is the way from another's storage, and how much goes through it? By a grant for its probe object."""

import time
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from statistics import fmean, median
from typing import Final

from suanlian.agent.data.granting import PROBE_FILE
from suanlian.agent.data.grants import GrantReader
from suanlian.agent.data.kit import Fields, Kit, Run
from suanlian.agent.data.ways import web_of
from suanlian.model.data import DataFile
from suanlian.model.data_protocol import PROBE_BYTES
from suanlian.storage.contract import Code, StorageError
from suanlian.storage.granted import GrantedSource, Grants

ROUNDS: Final = 12
"""So many single bytes are asked for; the first opens the connection and does not count."""
LONGEST_S: Final = 20.0
"""The throughput is that of so long at most."""
_MEGA: Final = 1_000_000
_DIGITS: Final = Decimal("0.001")


def probe(kit: Kit, run: Run) -> Fields:
    """Measure. Raises StorageError ``unreachable`` where no answer came at all."""
    task = run.task
    reader = GrantReader(kit, run)
    source = GrantedSource(Grants(reader.page), web_of(kit, run), kit.stores.here(task.storage).peers)
    file = DataFile(path=PROBE_FILE, size=PROBE_BYTES, sha256="0" * 64)
    times, lost = _round_trips(run, source, file)
    size, seconds = _flow(run, source, file)
    jitter = fmean(abs(a - b) for a, b in pairwise(times)) if len(times) > 1 else 0.0
    return {
        "rtt_ms": _told(median(times) * 1000),
        "jitter_ms": _told(jitter * 1000),
        "loss": _told(lost / (lost + len(times))),
        "mbps": _told(size * 8 / seconds / _MEGA),
        "bytes_done": size,
    }


def _round_trips(run: Run, source: GrantedSource, file: DataFile) -> tuple[Sequence[float], int]:
    """Seconds of each answer to a request for one byte, on one connection; and how many got none."""
    times, lost = list[float](), 0
    failed: StorageError | None = None
    for number in range(ROUNDS):
        run.check()
        began = time.perf_counter()
        try:
            for _piece in source.read(0, file, 0, 1):
                pass
        except StorageError as error:
            if error.code is not Code.UNREACHABLE:
                raise
            failed, lost = error, lost + 1
            continue
        if number:
            times.append(time.perf_counter() - began)
    if not times:
        raise failed or StorageError(Code.UNREACHABLE, "no answer came")
    return times, lost


def _flow(run: Run, source: GrantedSource, file: DataFile) -> tuple[int, float]:
    """How many bytes came in how many seconds."""
    size, began = 0, time.perf_counter()
    for piece in source.read(0, file, 0, PROBE_BYTES):
        run.check()
        size += len(piece)
        if time.perf_counter() - began > LONGEST_S:
            break
    return size, max(time.perf_counter() - began, 1e-6)


def _told(value: float) -> Decimal:
    return Decimal(value).quantize(_DIGITS)
