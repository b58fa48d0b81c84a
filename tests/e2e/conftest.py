from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from suanlian.model.job import Job, JobSpec, Task
from suanlian.model.party import Role
from suanlian.testing.nodes import NO_PROBES, AgentProcess, HubProcess, Slots, make_hub, make_platform
from suanlian.testing.processes import Processes, until


@dataclass(frozen=True)
class World:
    """A hub with two platforms, each of one core, and a buyer."""

    processes: Processes
    hub: HubProcess
    wuhu: AgentProcess
    suzhou: AgentProcess
    key: str

    def submit(self, spec: JobSpec) -> Job:
        with self.hub.client(self.key) as door:
            return door.jobs.submit(spec)

    def job(self, job: Job) -> Job:
        with self.hub.client(self.key) as door:
            return door.jobs.get(job.id)

    def task(self, job: Job) -> Task:
        with self.hub.client(self.key) as door:
            return next(door.jobs.tasks(job.id))

    def ended(self, job: Job, *, within_s: float = 120) -> Task:
        """The job's one task, once the job has ended."""
        until(f"{job.name} has ended", lambda: self.job(job).ended_at, within_s=within_s)
        return self.task(job)

    def runs_at(self, job: Job) -> AgentProcess:
        """The platform where the job runs, once it runs."""
        return until(f"{job.name} runs", lambda: self._running(job))

    def _running(self, job: Job) -> AgentProcess | None:
        current = {attempt.id for attempt in self.task(job).attempts}
        return next((agent for agent in (self.wuhu, self.suzhou) if current & set(agent.running())), None)

    def other(self, agent: AgentProcess) -> AgentProcess:
        """The platform that this one is not."""
        return self.suzhou if agent is self.wuhu else self.wuhu

    def rooms(self) -> dict[str, int]:
        """How many millicores of each platform are held."""
        with self.hub.client(self.key) as door:
            return {str(row.platform): row.used.cpu for row in door.catalogue.capacity()}


@pytest.fixture
def processes() -> Iterator[Processes]:
    with Processes() as started:
        yield started


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One for the tests of a file: each leaves it as it found it."""
    with Processes() as started:
        hub = make_hub(started, "national")
        wuhu, suzhou = (
            make_platform(started, hub, name, Slots(cores=1, probes=NO_PROBES)) for name in ("wuhu", "suzhou")
        )
        yield World(started, hub, wuhu, suzhou, hub.let_in("lab", Role.BUYER))
