"""Overflow both ways between two real Slurm clusters, over a real hub: what waits at the full one runs at the idle one.

Its end is seen at home, as its user would have seen it; whatever is killed in the middle, it runs once.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from suanlian.testing.lending_cluster import LendingCluster, lending_cluster
from suanlian.testing.nodes import NO_PROBES, AgentProcess, HubProcess, Slots, make_hub, make_platform
from suanlian.testing.processes import Processes, until
from suanlian.testing.slurm import missing, unix_users

pytestmark = [pytest.mark.engine("slurm"), pytest.mark.skipif(bool(missing()), reason=missing())]
NAMES = ("wuhu", "suzhou")
WITHIN_S = 180
ASKS = "--comment=suanlian:in=a.txt,out=res"
WORK = """#!/bin/bash
echo "$SLURM_JOB_ID on $(cat a.txt) $COLOUR"
echo once >> {ran}
mkdir res; cat a.txt > res/copy.txt
echo a warning >&2
exit {code}
"""
LONG = """#!/bin/bash
echo once >> {ran}
echo began
while [ ! -e {go} ]; do sleep 0.2; done
echo went on
"""


@dataclass(frozen=True)
class Side:
    """A platform: its cluster and its agent."""

    slurm: LendingCluster
    agent: AgentProcess

    def rows(self) -> str:
        done = self.agent.command("lending", "show")
        assert done.code == 0, done.err
        return done.out


@dataclass(frozen=True)
class World:
    """A hub, two platforms, and a place that every job of the test may write to, wherever it runs."""

    hub: HubProcess
    sides: dict[str, Side]
    scratch: Path

    def runs(self, name: str) -> int:
        """How often a body ran, anywhere."""
        path = self.scratch / name
        return len(path.read_text().splitlines()) if path.exists() else 0

    def text(self, script: str, name: str, **fields: object) -> str:
        return script.format(ran=self.scratch / name, go=self.scratch / f"{name}-go", **fields)

    def go(self, name: str) -> None:
        (self.scratch / f"{name}-go").touch()


def agent_tables(other: str, cluster: LendingCluster, borrower: str) -> str:
    """A platform on Slurm: the other's jobs run as the user who is mapped, its own users' may be lent."""
    options = {"root": str(cluster.cluster.directory / "jobs"), "conf": str(cluster.cluster.conf)}
    said = "".join(f"{key} = {json.dumps(value)}\n" for key, value in options.items())
    return f"""[driver]
name = "slurm"
[driver.options]
{said}
[driver.options.users]
"{other}-owner" = "{borrower}"
[driver.options.shares.cores]
partition = "main"
[driver.environments.python]
[lending]
queues = ["main"]
data_level = 1
wait_s = 0
environment = "python"
variables = ["COLOUR"]
wall_time_s = 600
spool = {json.dumps(str(cluster.terms.spool))}
replay_queue = "replay"
"""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with ExitStack() as stack:
        users = stack.enter_context(unix_users("home", "guest"))
        clusters = {name: stack.enter_context(lending_cluster(name, users["home"])) for name in NAMES}
        processes = stack.enter_context(Processes())
        hub, sides = make_hub(processes, "national"), {}
        for name, other in (NAMES, NAMES[::-1]):
            tables = agent_tables(other, clusters[name], users["guest"])
            slots = Slots(cores=2, probes=NO_PROBES, driver=tables, share='mode = "leftover"\nnotice_s = 5')
            sides[name] = Side(clusters[name], make_platform(processes, hub, name, slots))
        scratch = processes.root / "scratch"
        scratch.mkdir()
        scratch.chmod(0o777)
        yield World(hub, sides, scratch)


@pytest.fixture(params=NAMES)
def ways(request: pytest.FixtureRequest, world: World) -> Iterator[tuple[World, Side, Side]]:
    """The full one, where the job is queued, and the idle one; both ways."""
    full, idle = (world.sides[name] for name in (NAMES if request.param == NAMES[0] else NAMES[::-1]))
    blocker = full.slurm.fill()
    (full.slurm.home / "a.txt").write_text(f"data of {request.param}\n")
    yield world, full, idle
    full.slurm.cluster.command("scancel", blocker)
    full.slurm.ended(blocker)


def name_of(request: pytest.FixtureRequest) -> str:
    return "".join(char if char.isalnum() else "-" for char in request.node.name)


def is_lent(side: Side, number: str) -> bool:
    return " lent " in side.slurm.told(number).get("AdminComment", "")


def begun(world: World, side: Side, number: str, name: str) -> None:
    """It was lent, and its body has begun elsewhere."""
    until(f"{number} is lent:\n{side.agent.daemon.tail()}", lambda: is_lent(side, number), within_s=WITHIN_S)
    until(f"{number} runs elsewhere:\n{side.rows()}", lambda: world.runs(name), within_s=WITHIN_S)


def test_what_waits_at_the_full_one_runs_at_the_idle_one(
    ways: tuple[World, Side, Side], request: pytest.FixtureRequest
) -> None:
    (world, full, idle), name = ways, name_of(request)
    script = world.text(WORK, name, code=3)
    waits = full.slurm.sbatch(ASKS, "--output=out-%j.txt", "--export=ALL,COLOUR=blue", script=script)
    after = full.slurm.sbatch(f"--dependency=afternotok:{waits}", "--partition=replay", script="#!/bin/sh\ntrue\n")
    told = full.slurm.ended(waits, within_s=WITHIN_S)
    assert (told["JobState"], told["ExitCode"]) == ("FAILED", "3:0"), full.agent.daemon.tail()
    assert f"ran at {idle.agent.platform}" in told["AdminComment"]
    assert full.slurm.read(f"out-{waits}.txt") == f"{waits} on {full.slurm.read('a.txt')[:-1]} blue\na warning\n"
    assert full.slurm.read("res/copy.txt") == full.slurm.read("a.txt")
    assert (full.slurm.home / f"out-{waits}.txt").owner() == full.slurm.user
    assert world.runs(name) == 1
    assert full.slurm.ended(after)["JobState"] == "COMPLETED"
    until("it is written down", lambda: f"JobId={waits} " in full.slurm.cluster.jobcomp.read_text())
    until("nothing is lent any more", lambda: "0 jobs are lent" in full.rows(), within_s=60, every_s=1)
    with world.hub.client() as operator:
        (lent,) = [
            job for job in operator.jobs.list() if job.lender == full.agent.platform and job.name == "lent-sbatch"
        ][:1]
        assert operator.jobs.get(lent.id).state == "EXECUTOR_ERROR"
    (full.slurm.home / "res" / "copy.txt").unlink()


def test_cancelled_at_home_it_is_ended_elsewhere(
    ways: tuple[World, Side, Side], request: pytest.FixtureRequest
) -> None:
    (world, full, idle), name = ways, name_of(request)
    number = full.slurm.sbatch("--comment=suanlian", script=world.text(LONG, name))
    begun(world, full, number, name)
    full.slurm.cluster.command("scancel", number, user=full.slurm.user)

    def over() -> bool:
        running = idle.slurm.cluster.command("squeue", "--noheader", "--states=RUNNING,PENDING", "--format=%j")
        return "suanlian-" not in running

    until("it is ended elsewhere", over, within_s=WITHIN_S, every_s=0.5)
    assert full.slurm.ended(number)["JobState"] == "CANCELLED"
    until("it is closed", lambda: "0 jobs are lent" in full.rows(), within_s=WITHIN_S, every_s=1)
    assert world.runs(name) == 1


@pytest.mark.parametrize("victim", ["hub", "lender", "borrower"])
def test_whatever_is_killed_in_the_middle_it_runs_once(
    ways: tuple[World, Side, Side], request: pytest.FixtureRequest, victim: str
) -> None:
    (world, full, idle), name = ways, name_of(request)
    number = full.slurm.sbatch("--comment=suanlian", script=world.text(LONG, name))
    begun(world, full, number, name)
    killed = {"hub": world.hub.daemon, "lender": full.agent.daemon, "borrower": idle.agent.daemon}[victim]
    killed.kill()
    world.go(name)
    until("it has ended elsewhere", (world.scratch / f"{name}-go").exists)
    if victim == "hub":
        world.hub.start()
    else:
        killed.start()
    told = full.slurm.ended(number, within_s=WITHIN_S)
    assert (told["JobState"], told["ExitCode"]) == ("COMPLETED", "0:0"), full.agent.daemon.tail()
    assert full.slurm.read(f"slurm-{number}.out") == "began\nwent on\n"
    assert world.runs(name) == 1


def test_while_the_hub_is_away_nothing_is_let_go_at_home(
    ways: tuple[World, Side, Side], request: pytest.FixtureRequest
) -> None:
    (world, full, _idle), name = ways, name_of(request)
    number = full.slurm.sbatch("--comment=suanlian", script=world.text(LONG, name))
    begun(world, full, number, name)
    world.hub.daemon.kill()
    done = full.agent.command("lending", "take-home", number)
    assert done.code == 0, done.err
    full.agent.daemon.kill()
    full.agent.daemon.start()
    held = [full.slurm.told(number)["Reason"] for _look in range(20)]
    assert set(held) == {"JobHeldAdmin"}
    world.hub.start()
    # called home: it is ended elsewhere, and begins here once that is sure and there is room
    until("it is let go", lambda: full.slurm.told(number)["Reason"] != "JobHeldAdmin", within_s=WITHIN_S, every_s=0.5)
    assert world.runs(name) == 1
    full.slurm.cluster.command("scancel", number)
    until("it is closed", lambda: "0 jobs are lent" in full.rows(), within_s=60, every_s=1)


def attempts(world: World, lender: Side) -> list[tuple[str, str]]:
    """How the attempts of what the lender has lent stand, of the job that has not ended."""
    with world.hub.client() as operator:
        (job,) = [job for job in operator.jobs.list() if job.lender == lender.agent.platform and job.ended_at is None]
        (task,) = operator.jobs.tasks(job.id)
    return [(attempt.state.value, attempt.outcome.reason) for attempt in task.attempts]


def test_the_owners_own_users_take_a_leftover_share_back(
    ways: tuple[World, Side, Side], request: pytest.FixtureRequest
) -> None:
    """What is lent to the idle one makes room there when its own user queues a job; and does not come back at once."""
    (world, full, idle), name = ways, name_of(request)
    lent = full.slurm.sbatch("--comment=suanlian", script=world.text(LONG, name))
    begun(world, full, lent, name)
    own = idle.slurm.sbatch("--partition=main", "--ntasks=2", script="#!/bin/sh\nexec sleep 30\n")
    until(
        f"the owner's job runs:\n{idle.agent.daemon.tail()}",
        lambda: idle.slurm.told(own)["JobState"] == "RUNNING",
        within_s=WITHIN_S,
        every_s=0.5,
    )
    until(
        "the hub knows why",
        lambda: attempts(world, full) == [("PREEMPTED", "owner_refuses: taken-back")],
        within_s=WITHIN_S,
        every_s=0.5,
    )
    idle.slurm.cluster.command("scancel", own)
    full.slurm.cluster.command("scancel", lent)
    until("it is closed", lambda: "0 jobs are lent" in full.rows(), within_s=WITHIN_S, every_s=1)
    assert world.runs(name) == 1
