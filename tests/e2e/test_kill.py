"""Hub and agents are killed with SIGKILL amid running jobs: every job ends once, usage is exact, the book is whole.

The seed of the random moments is printed; SUANLIAN_E2E_SEED=... runs the same ones again.
"""

import hashlib
import os
import random
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from suanlian.agent.config import Home
from suanlian.agent.ledger import Ledger
from suanlian.model.errors import UnavailableError
from suanlian.model.job import Job, JobSpec
from suanlian.model.party import Role
from suanlian.sdk.client import Client
from suanlian.store import tables
from suanlian.testing.nodes import NO_PROBES, AgentProcess, HubProcess, Slots, make_hub, make_platform, python_job
from suanlian.testing.postgres import TemporaryPostgres
from suanlian.testing.processes import Processes, until
from tests.e2e.books import Books
from tests.e2e.witness import Witness

KILLS: Final = {"sqlite": 10, "postgresql": 5}
JOBS_A_KILL: Final = 4
RATES: Final = {"cpu": Decimal("0.36"), "memory": Decimal("0.036")}
WORK: Final = """
import hashlib, os, sys, time
index = os.environ.get("SUANLIAN_TASK_INDEX", "")
print("run", os.environ["SUANLIAN_ATTEMPT_ID"], flush=True)
with open("runs.txt", "a") as runs:
    runs.write(os.environ["SUANLIAN_ATTEMPT_ID"] + "\\n")
time.sleep(float(sys.argv[2]))
with open("out.txt", "w") as out:
    out.write(hashlib.sha256((sys.argv[1] + "/" + index).encode()).hexdigest())
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """The name of a database and its address."""
    if request.param == "sqlite":
        yield "sqlite", ""
        return
    with TemporaryPostgres() as server:
        yield "postgresql", server.create("e2e")


@dataclass
class Storm:
    """A hub, its two platforms and a buyer, in bad weather."""

    hub: HubProcess
    agents: Sequence[AgentProcess]
    key: str
    chance: random.Random

    def specs(self, n: int) -> list[JobSpec]:
        """The jobs that are submitted while the kill of this number happens; every third is an array."""
        made = []
        for k in range(JOBS_A_KILL):
            size = self.chance.randint(2, 4) if k % 3 == 2 else None
            name, seconds = f"job-{n}-{k}", f"{self.chance.uniform(0.2, 1.5):.3f}"
            made.append(python_job(name, WORK, name, seconds, array_size=size, outputs=["out.txt", "runs.txt"]))
        return made

    def kill_amid(self, n: int) -> None:
        """Submit, kill hub or agent at some moment, start it again after another, until all that is taken."""
        specs = self.specs(n)
        buyer = threading.Thread(target=self._submit, args=(specs,))
        buyer.start()
        until("a task runs", lambda: any(agent.running() for agent in self.agents))
        time.sleep(self.chance.uniform(0, 0.8))
        victim = self.hub.daemon if n % 2 == 0 else self.chance.choice(self.agents).daemon
        _note(f"kill {n}: {victim.name} while {sum(len(agent.running()) for agent in self.agents)} tasks run")
        victim.kill()
        time.sleep(self.chance.uniform(0, 1))
        victim.start()
        buyer.join()

    def _submit(self, specs: Sequence[JobSpec]) -> None:
        for spec in specs:
            with self.hub.client(self.key) as door:
                until(f"{spec.name} is taken", partial(_taken, door, spec))

    def jobs(self) -> list[Job]:
        """What the buyer sees."""
        with self.hub.client(self.key) as door:
            return list(door.jobs.list())

    def ended(self) -> bool:
        """Whether the hub answers and every job has ended."""
        return self.hub.answers and all(job.ended_at for job in self.jobs())

    def settled(self) -> bool:
        """Whether all is told, rated and forgotten."""
        unrated = [row for row in self.hub.rows(tables.usage_segment) if row["rated_at"] is None]
        unsaid = [row for row in self.hub.rows(tables.attempt) if row["wish"] != "forget"]
        return not unrated and not unsaid and not any(_kept(agent) for agent in self.agents)


def _note(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _taken(door: Client, spec: JobSpec) -> bool:
    try:
        door.jobs.submit(spec, idempotency_key=spec.name)
    except UnavailableError:
        return False
    return True


def _kept(agent: AgentProcess) -> bool:
    with closing(Ledger(Home(agent.home).ledger)) as ledger:
        return bool(ledger.rows()) or any(agent.jobs.iterdir())


def _check_results(storm: Storm) -> int:
    """Every output is right, and every attempt ran once by its job's own word; returns how many tasks there are."""
    count = 0
    with storm.hub.client(storm.key) as door:
        for job in storm.jobs():
            digests = {(out.task_index, out.path): out.sha256 for out in door.jobs.outputs(job.id)}
            for task in door.jobs.tasks(job.id):
                count += 1
                last, index = task.attempts[-1], "0" if job.tasks == 1 else str(task.index)
                made = hashlib.sha256(f"{job.name}/{index}".encode()).hexdigest()
                wanted = {"out.txt": made.encode(), "runs.txt": f"{last.id}\n".encode()}
                for path, content in wanted.items():
                    assert digests.pop((task.index, path)) == hashlib.sha256(content).hexdigest(), (job.name, path)
                assert b"".join(door.jobs.log(job.id, index=task.index)) == f"run {last.id}\n".encode()
            assert not digests
    return count


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_job_ends_once_whatever_is_killed(
    engine: tuple[str, str], processes: Processes, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("SUANLIAN_E2E_SEED") or random.SystemRandom().randrange(2**32))
    with capsys.disabled():
        _note(f"SUANLIAN_E2E_SEED={seed}")
    name, database = engine
    hub = make_hub(processes, "national", database=database)
    agents = [make_platform(processes, hub, platform, Slots(probes=NO_PROBES)) for platform in ("wuhu", "suzhou")]
    storm = Storm(hub, agents, hub.let_in("lab", Role.BUYER), random.Random(seed))
    with Witness(agents) as witness:
        for n in range(KILLS[name]):
            storm.kill_amid(n)
        until("every job has ended", storm.ended, within_s=120)
        until("all is told, rated and forgotten", storm.settled, within_s=60)
    assert len(storm.jobs()) == KILLS[name] * JOBS_A_KILL
    assert _check_results(storm) == len(hub.rows(tables.task))
    books = Books.of(hub)
    _note(f"made again: {books.check_tasks()}")
    books.check_usage(witness.ended)
    books.check_charges(RATES)
    books.check_capacity()
    # the keepers' own marks: one start an attempt, and nobody ran what the hub does not know
    assert {attempt: len(marks) for attempt, marks in witness.begun.items() if len(marks) != 1} == {}
    assert set(witness.begun) <= {row["id"] for row in books.attempts}
    assert len(witness.ended) >= 0.8 * len(books.attempts), "the witness slept"
    assert processes.left() == []
    groups = {group.name.removeprefix("suanlian-") for group in Path("/sys/fs/cgroup").rglob("suanlian-*")}
    assert not groups & {row["id"] for row in books.attempts}
    assert [name for name in (hub.daemon, *(a.daemon for a in agents)) if "Traceback" in name.said()] == []
