"""How much longer do 1,000 no-ops take through hub, connector and Slurm than by slurmrestd directly?

One real cluster of tests serves both, turn by turn, so that a busy machine slows both. Direct: so many submissions by
so many connections, then slurmrestd is asked until all have ended. Through: one job of 1,000 tasks by the hub's
interface, until the hub says that it is complete. Medians of the pairs are reported, and beside them the same as one
job array, which is the fastest that Slurm itself can take them.
`python -m bench.engines_slurm [--pairs 5] [--tasks 1000] [--connections 4] [--out FILE]`
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx2

from suanlian.model.job import ENDED, JobSpec, JobState
from suanlian.model.party import Role
from suanlian.sdk.client import Client
from suanlian.testing.nodes import HubProcess, Slots, make_hub, make_platform
from suanlian.testing.processes import Processes
from suanlian.testing.slurm import Node, Shape, SlurmCluster, missing, unix_users

TARGET = 1.15
LOOK_S = 0.5
SCRIPT = "#!/bin/sh\ntrue\n"


class Direct:
    """slurmrestd, without anything of ours."""

    def __init__(self, cluster: SlurmCluster, user: str, connections: int) -> None:
        headers = {"X-SLURM-USER-NAME": user, "X-SLURM-USER-TOKEN": cluster.token(user, 86_400)}
        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        self.http = httpx2.Client(
            base_url=f"{cluster.rest_url}/slurm/v0.0.38", headers=headers, limits=limits, timeout=120, trust_env=False
        )
        self.connections = connections

    def submit(self, name: str, **more: object) -> int:
        """One submission; the job's number."""
        job = {
            "name": name,
            "current_working_directory": "/",
            "environment": {"PATH": "/usr/bin:/bin"},
            "standard_output": "/dev/null",
            "memory_per_node": 16,
            "time_limit": 5,
            **more,
        }
        return int(self.http.post("/job/submit", json={"script": SCRIPT, "job": job}).json()["job_id"])

    def each(self, name: str, tasks: int) -> None:
        """So many submissions."""
        with ThreadPoolExecutor(self.connections) as pool:
            list(pool.map(lambda _task: self.submit(name), range(tasks)))
        self.wait(name, tasks)

    def array(self, name: str, tasks: int) -> None:
        """One job array."""
        self.submit(name, array=f"0-{tasks - 1}")
        self.wait(name, tasks)

    def wait(self, name: str, tasks: int) -> None:
        """Until all have ended well."""
        while True:
            jobs = [job for job in self.http.get("/jobs").json()["jobs"] if job["name"] == name]
            if sum(job["job_state"] == "COMPLETED" for job in jobs) == tasks:
                return
            time.sleep(LOOK_S)


class Through:
    """The hub's own interface, as a buyer uses it."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def array(self, name: str, tasks: int) -> None:
        """One job of so many tasks."""
        # what it asks for is small, so that the hub hands over as fast as it can and Slurm does the queueing
        spec = JobSpec.model_validate(
            {
                "name": name,
                "resources": {"cpu": "0.001", "memory": "16MiB"},
                "variants": [{"architecture": "x86_64", "environment": "python", "command": ["true"]}],
                "array_size": tasks,
                "wall_time_s": 300,
            }
        )
        job = self.client.jobs.submit(spec)
        while (seen := self.client.jobs.get(job.id)).state not in ENDED:
            time.sleep(LOOK_S)
        if seen.state is not JobState.COMPLETE:
            raise RuntimeError(f"{name} ended as {seen.state}: {seen.tally}")


def timed(work: Callable[[str, int], None], name: str, tasks: int) -> float:
    """Seconds of one round."""
    started = time.monotonic()
    work(name, tasks)
    return time.monotonic() - started


def driver_toml(cluster: SlurmCluster, user: str, root: Path) -> str:
    """The connector's way to the cluster."""
    token = cluster.token_file(user, 86_400)
    return f"""[driver]
name = "slurm"
[driver.options]
root = "{root}"
rest_url = "{cluster.rest_url}"
token_file = "{token}"
[driver.options.users]
buyer = "{user}"
[driver.environments.python]
"""


def the_buyer(hub: HubProcess) -> str:
    """A key of somebody who may buy."""
    return hub.let_in("buyer", Role.BUYER)


def main() -> int:
    """Measure, print and, where asked, write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--out", type=Path)
    said = parser.parse_args()
    if missing():
        print(f"left out: {missing()}")
        return 0
    rounds: dict[str, list[float]] = {"direct": [], "array": [], "through": []}
    shape = Shape(name="bench", nodes=tuple(Node(f"b{place}", cpus=16, memory_mib=64_000) for place in range(4)))
    with ExitStack() as stack:
        processes = stack.enter_context(Processes())
        user = stack.enter_context(unix_users("bench"))["bench"]
        cluster = stack.enter_context(SlurmCluster(shape))
        hub = make_hub(processes, "bench")
        root = cluster.directory / "shared"
        root.mkdir()
        # the share has what the cluster has: by its memory, too, the cluster takes all tasks into its queue at once
        whole, driver = f"{sum(node.memory_mib for node in shape.nodes)}MiB", driver_toml(cluster, user, root)
        make_platform(processes, hub, "slurm", Slots(cores=64, memory=whole, driver=driver, probes="{ cpu = 0 }"))
        through = Through(stack.enter_context(hub.client(the_buyer(hub))))
        direct = Direct(cluster, user, said.connections)
        ways = {"direct": direct.each, "array": direct.array, "through": through.array}
        for pair in range(said.pairs):
            for way, work in ways.items():
                rounds[way].append(timed(work, f"{way}-{pair}", said.tasks))
                print(f"{way} {pair}: {rounds[way][-1]:.1f} s", flush=True)
    report = summary(rounds, said)
    print(json.dumps(report, indent=2))
    if said.out:
        said.out.write_text(json.dumps(report, indent=2))
    return 0


def summary(rounds: dict[str, list[float]], said: argparse.Namespace) -> dict[str, object]:
    """Medians, and their ratios."""
    medians = {way: round(statistics.median(times), 2) for way, times in rounds.items()}
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "tasks": said.tasks,
        "connections": said.connections,
        "medians_s": medians,
        "ratio": round(medians["through"] / medians["direct"], 3),
        "ratio_to_one_array": round(medians["through"] / medians["array"], 3),
        "target": TARGET,
        "rounds_s": {way: [round(value, 2) for value in times] for way, times in rounds.items()},
    }


if __name__ == "__main__":
    raise SystemExit(main())
