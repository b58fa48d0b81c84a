"""How long until the hub has taken an array, durably, however many tasks it has? What is asked for: 10,000 within 2 s.

A hub of its own process and store; a client on the same machine submits one job, then arrays, in turn, round after
round, so that a busy machine slows all alike. Nothing is live, so nothing is placed meanwhile. Medians and the slowest
are told.
`python -m bench.array_accept [--postgres] [--rounds N]`
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import httpx2

from bench.bench_submit import SPEC, databases, hub

SIZES: Final = (None, 100, 1_000, 10_000, 100_000)
MEANT: Final = 10_000
MEANT_S: Final = 2.0


def accept(http: httpx2.Client, size: int | None) -> float:
    """Seconds from sending an array to its being taken, whole."""
    spec: dict[str, Any] = SPEC if size is None else {**SPEC, "array_size": size}
    began = time.perf_counter()
    answer = http.post("/v1/jobs", json=spec)
    took = time.perf_counter() - began
    answer.raise_for_status()
    if answer.json()["tally"] != {"QUEUED": size or 1}:
        raise AssertionError(answer.text)
    return took


def measure(http: httpx2.Client, rounds: int) -> dict[int | None, list[float]]:
    """Rounds of one submission of each size, the first round left out."""
    found: dict[int | None, list[float]] = {size: [] for size in SIZES}
    for _ in range(rounds + 1):
        for size in SIZES:
            found[size].append(accept(http, size))
    return {size: times[1:] for size, times in found.items()}


def main() -> int:
    """Run it; 1 when an array of 10,000 takes longer than is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    store = "PostgreSQL" if options.postgres else "SQLite"
    print(f"{store}, Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}", flush=True)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        with databases(folder, postgres=options.postgres) as (ours, _), hub(folder / "hub", ours) as (port, key):
            headers = {"Authorization": f"Bearer {key}"}
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as http:
                found = measure(http, options.rounds)
    for size, times in found.items():
        name = "one job" if size is None else f"array of {size:,}"
        print(f"{name:18} median {statistics.median(times) * 1000:8.1f} ms   slowest {max(times) * 1000:8.1f} ms")
    return 0 if statistics.median(found[MEANT]) <= MEANT_S else 1


if __name__ == "__main__":
    sys.exit(main())
