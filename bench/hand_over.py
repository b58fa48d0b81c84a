"""How long from submitting a job until its connector has been told to run it? The hub's own cost, the engine apart.

A real hub; a platform that has come in, whose agent is then ended, and a connector's client of the protocol in its
place: it polls as an agent does, notes when each instruction comes, and runs nothing. Jobs are submitted at a steady
rate by several connections. From before the submission leaves to after the poll's answer is read, both on one clock.
What is expected: at 50 a second p50 50 ms, p99 200 ms.
`python -m bench.hand_over [--postgres] [--rate 50] [--seconds 20] [--rounds 3]`
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from bench.bench_submit import databases
from suanlian.agent.config import Home
from suanlian.agent.enrol import read_identity
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.model.job import JobSpec
from suanlian.model.party import Role
from suanlian.model.protocol import PollCall
from suanlian.sdk.client import Client
from suanlian.sdk.connector import ConnectorClient, Link, Means
from suanlian.sdk.transport import open_client
from suanlian.testing.nodes import NO_PROBES, HubProcess, Slots, make_hub, make_platform
from suanlian.testing.processes import Processes

CONNECTIONS: Final = 4
LATE_S: Final = 60.0


class Connector:
    """Polls in a thread, and notes when it was told of each job."""

    def __init__(self, hub: HubProcess, home: Home) -> None:
        identity = read_identity(home)
        link = Link(hub.url, PublicKey.parse(identity.hub_key), KeyPair.load(home.key), keyid=identity.connector_id)
        self.client = ConnectorClient(link, Means(open_client(), lambda: datetime.now(UTC)))
        self.told: dict[str, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _poll(self) -> None:
        revision = 0
        while not self._over.is_set():
            answer = self.client.poll(PollCall(revision=revision, wait_s=2))
            now = time.perf_counter()
            for said in answer.instructions:
                self.told.setdefault(said.job_id, now)
            revision = answer.revision


def spec() -> JobSpec:
    """A job that takes next to nothing of the place, so that room is never what it waits for."""
    return JobSpec.model_validate(
        {
            "name": "no-op",
            "resources": {"cpu": "0.001", "memory": "1MiB"},
            "variants": [{"architecture": "x86_64", "environment": "python", "command": ["true"]}],
        }
    )


def measure(hub: HubProcess, key: str, connector: Connector, rate: int, seconds: int) -> list[float]:
    """Seconds from submission to hand-over of each job of a round."""
    begun: dict[str, float] = {}
    start, wanted = time.perf_counter(), spec()

    def one(number: int, client: Client) -> None:
        time.sleep(max(0.0, start + number / rate - time.perf_counter()))
        at = time.perf_counter()
        begun[client.jobs.submit(wanted).id] = at

    def lane(first: int) -> None:
        with Client(hub.url, key) as client:
            for number in range(first, rate * seconds, CONNECTIONS):
                one(number, client)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(lane, range(CONNECTIONS)))
    deadline = time.perf_counter() + LATE_S
    while not begun.keys() <= connector.told.keys() and time.perf_counter() < deadline:
        time.sleep(0.1)
    return [connector.told[job] - at for job, at in begun.items()]


def main() -> int:
    """Run it and print the medians of the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--rate", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    store = "PostgreSQL" if given.postgres else "SQLite"
    print(f"{store}, Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}", flush=True)
    found = []
    with (
        tempfile.TemporaryDirectory() as folder,
        databases(Path(folder), postgres=given.postgres) as (ours, _),
        Processes() as processes,
    ):
        hub = make_hub(processes, "bench", database=ours if given.postgres else "")
        agent = make_platform(processes, hub, "place", Slots(cores=64, probes=NO_PROBES))
        agent.daemon.kill()
        key = hub.let_in("lab", Role.BUYER)
        with Connector(hub, Home(agent.home)) as connector:
            for number in range(given.rounds):
                took = sorted(measure(hub, key, connector, given.rate, given.seconds))
                p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
                found.append((p50, p99))
                text = f"round {number + 1}: {len(took)} jobs at {given.rate}/s"
                print(
                    f"{text}, p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, most {took[-1] * 1000:.0f} ms",
                    flush=True,
                )
    medians = [statistics.median(values) * 1000 for values in zip(*found, strict=True)]
    print(f"medians: p50 {medians[0]:.0f} ms (expected 50), p99 {medians[1]:.0f} ms (expected 200)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
