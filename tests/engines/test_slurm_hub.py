"""A buyer who knows nothing of Slurm gets a job done on a real cluster: through a hub and a connector as processes."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from suanlian.model.job import ENDED, Job, JobSpec, JobState
from suanlian.model.party import Role
from suanlian.sdk.client import Client
from suanlian.testing.nodes import NO_PROBES, AgentProcess, Slots, agent_toml, make_hub, make_platform
from suanlian.testing.processes import Processes, program, until
from suanlian.testing.slurm import SlurmCluster, missing, unix_users

pytestmark = [
    pytest.mark.engine("slurm"),
    pytest.mark.e2e,
    pytest.mark.skipif(bool(missing()), reason=missing()),
]


@dataclass(frozen=True)
class Federation:
    cluster: SlurmCluster
    buyer: Client
    stranger: Client
    agent: AgentProcess

    def done(self, job: Job, by: Client | None = None) -> Job:
        def ended() -> Job | None:
            seen = (by or self.buyer).jobs.get(job.id)
            return seen if seen.state in ENDED else None

        return until(f"{job.name} ends", ended, within_s=120, every_s=0.1)


@pytest.fixture(scope="module")
def federation() -> Iterator[Federation]:
    with ExitStack() as stack:
        processes = stack.enter_context(Processes())
        user = stack.enter_context(unix_users("buyer"))["buyer"]
        cluster = stack.enter_context(SlurmCluster())
        root = cluster.directory / "shared"
        root.mkdir()
        hub = make_hub(processes, "hub")
        driver = f"""[driver]
name = "slurm"
[driver.options]
root = "{root}"
rest_url = "{cluster.rest_url}"
token_file = "{cluster.token_file(user)}"
[driver.options.users]
buyer = "{user}"
[driver.options.shares.cores]
partition = "main"
[driver.environments.python]
"""
        agent = make_platform(processes, hub, "wuhu", Slots(cores=12, driver=driver, probes=NO_PROBES))
        buyer, stranger = (stack.enter_context(hub.client(hub.let_in(name, Role.BUYER))) for name in ("buyer", "other"))
        yield Federation(cluster, buyer, stranger, agent)


def job(name: str, text: str, **fields: object) -> JobSpec:
    variant = {"architecture": "x86_64", "environment": "python", "command": ["sh", "-c", text]}
    asked = {"name": name, "resources": {"cpu": "1", "memory": "64MiB"}, "variants": [variant], "wall_time_s": 120}
    return JobSpec.model_validate({**asked, **fields})


def test_an_array_runs_as_one_and_each_task_brings_its_output_and_log(federation: Federation) -> None:
    text = (
        'cat in.txt; echo "$SUANLIAN_TASK_INDEX of $SUANLIAN_ARRAY_SIZE" | tee out.txt; test $SUANLIAN_TASK_INDEX != 3'
    )
    spec = job("array", text, array_size=5, outputs=["out.txt"], inputs=[{"path": "in.txt", "content": "hello\n"}])
    done = federation.done(federation.buyer.jobs.submit(spec))
    assert done.state is JobState.EXECUTOR_ERROR
    assert dict(done.tally) == {JobState.COMPLETE: 4, JobState.EXECUTOR_ERROR: 1}
    for task in federation.buyer.jobs.tasks(done.id):
        (attempt,) = task.attempts
        assert attempt.outcome.exit_code == (1 if task.index == 3 else 0)
        assert [output.path for output in attempt.outcome.outputs] == ["out.txt"]
    names = federation.cluster.command("squeue", "--noheader", "--states=all", "--format=%j").split()
    assert len(set(names)) == 1, "five tasks are one job array"


def test_it_is_cancelled_at_slurm(federation: Federation) -> None:
    job_ = federation.buyer.jobs.submit(job("long", "sleep 600"))
    until("it runs", lambda: federation.buyer.jobs.get(job_.id).state is JobState.RUNNING)
    federation.buyer.jobs.cancel(job_.id)
    assert federation.done(job_).state is JobState.CANCELED
    until("Slurm runs nothing", lambda: federation.cluster.command("squeue", "--noheader") == "")


def test_a_connector_that_falls_finds_its_jobs_again(federation: Federation) -> None:
    go = federation.cluster.directory / "go"
    text = f"echo once >> runs.txt; while [ ! -e {go} ]; do sleep 0.1; done"
    job_ = federation.buyer.jobs.submit(job("kept", text, outputs=["runs.txt"]))
    until("it runs", lambda: federation.buyer.jobs.get(job_.id).state is JobState.RUNNING)
    federation.agent.daemon.kill()
    go.touch()
    federation.agent.daemon.start()
    done = federation.done(job_)
    assert done.state is JobState.COMPLETE
    (task,) = federation.buyer.jobs.tasks(done.id)
    assert [(attempt.number, attempt.outcome.outputs[0].size) for attempt in task.attempts] == [(1, len("once\n"))]


def test_nobody_else_runs_here(federation: Federation) -> None:
    refused = federation.stranger.jobs.submit(job("stranger", "true", attempts=1))
    seen = federation.done(refused, by=federation.stranger)
    assert seen.state is JobState.SYSTEM_ERROR
    (task,) = federation.stranger.jobs.tasks(refused.id)
    assert "has no user on this cluster" in task.attempts[0].outcome.reason


def test_the_connector_checks_itself_on_slurm(federation: Federation) -> None:
    """As a hub will, by the hub's own small jobs: they have a user of their own."""
    cluster, processes = federation.cluster, federation.agent.processes
    (cluster.directory / "probes").mkdir()
    with unix_users("probe", "none") as users:
        driver = f"""[driver]
name = "slurm"
[driver.options]
root = "{cluster.directory}/probes"
conf = "{cluster.conf}"
probe_user = "{users["probe"]}"
probe_python = "{shutil.which("python3", path="/usr/bin:/bin") or sys.executable}"
[driver.options.users]
nobody-else = "{users["none"]}"
[driver.environments.python]
"""
        config = processes.root / "selftest.toml"
        config.write_text(agent_toml("http://127.0.0.1:1", "wuhu", Slots(cores=12, driver=driver)))
        home = str(processes.root / "selftest")
        done = processes.run([*program("suanlian-agent"), "selftest", "--config", config, "--home", home])
    assert done.code == 0, (done.out, done.err)
    assert "Passed" in done.out
