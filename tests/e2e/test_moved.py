"""A real iterative program, moved twice or lost once between two platforms, ends with the checksum of one run."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from suanlian.model.job import EndCause, Job, JobSpec, JobState, Task
from suanlian.model.moving import Move, Which
from suanlian.model.party import Role
from suanlian.store import tables
from suanlian.testing.nodes import NO_PROBES, Slots, make_hub, make_platform
from suanlian.testing.processes import Processes, until
from tests.e2e.conftest import World

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]

PROGRAM: Final = Path(__file__).parents[2] / "examples" / "ising.py"
ARGUMENTS: Final = ("32", "20000", "2.27", "7")
LOST: Final = {"SUANLIAN_LOST_AFTER_S": "14", "SUANLIAN_LOST_FOR_S": "6"}


@pytest.fixture(scope="module")
def impatient() -> Iterator[World]:
    """Two platforms of a hub that soon takes one for lost."""
    with Processes() as started:
        hub = make_hub(started, "national", env=LOST)
        wuhu, suzhou = (
            make_platform(started, hub, name, Slots(cores=1, probes=NO_PROBES)) for name in ("wuhu", "suzhou")
        )
        yield World(started, hub, wuhu, suzhou, hub.let_in("lab", Role.BUYER))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the program makes where nobody interrupts it."""
    folder = tmp_path_factory.mktemp("alone")
    env = {"PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, str(PROGRAM), *ARGUMENTS], cwd=folder, env=env, check=True, timeout=300)
    return (folder / "result.txt").read_text()


def ising(name: str, **checkpoint: object) -> JobSpec:
    command = ["python3", "ising.py", *ARGUMENTS]
    return JobSpec.model_validate(
        {
            "name": name,
            "resources": {"cpu": "1", "memory": "128MiB"},
            "variants": [{"architecture": "x86_64", "environment": "python", "command": command}],
            "inputs": [{"path": "ising.py", "content": PROGRAM.read_text()}],
            "outputs": ["result.txt"],
            "wall_time_s": 600,
            "checkpoint": {"path": "state", "signal": "USR1", "grace_s": 20, **checkpoint},
        }
    )


def begun(world: World, job: Job, number: int) -> Task:
    """The task, once its attempt of this number says that it has begun, and the hub has heard so."""

    def says() -> Task | None:
        task = world.task(job)
        if len(task.attempts) < number or task.attempts[-1].state != JobState.RUNNING:
            return None
        return task if f"attempt {number} restored".encode() in _log(world) else None

    return until(f"attempt {number} has begun", says, within_s=90)


def _log(world: World) -> bytes:
    """What was written by whatever runs."""
    found = [agent.jobs / attempt / "stdout" for agent in (world.wuhu, world.suzhou) for attempt in agent.running()]
    return b"".join(path.read_bytes() for path in found if path.exists())


def result(world: World, job: Job) -> tuple[str, str]:
    """The digest of the job's one output, and the whole log of its last attempt."""
    with world.hub.client(world.key) as door:
        (out,) = door.jobs.outputs(job.id)
        return out.sha256, b"".join(door.jobs.log(job.id)).decode()


def test_a_program_that_is_moved_twice_ends_as_one_that_was_not(impatient: World, alone: str) -> None:
    world = impatient
    job = world.submit(ising("twice"))
    begun(world, job, 1)
    first = world.runs_at(job)
    with world.hub.client(world.key) as door:
        door.jobs.move(job.id, Move())
    begun(world, job, 2)
    second = world.runs_at(job)
    assert second is world.other(first)
    # it stands still, and is moved while it does: by its owner, who needs no hub for that
    with world.hub.client(world.key) as door:
        door.jobs.pause(job.id, Which())
    until("it stands still", lambda: world.job(job).state is JobState.PAUSED)
    assert second.command("drain", "--why", "new roof").code == 0
    begun(world, job, 3)
    assert world.runs_at(job) is first
    assert "new roof" in second.command("status").out
    task = world.ended(job, within_s=180)
    assert [attempt.state for attempt in task.attempts] == ["PREEMPTED", "PREEMPTED", "COMPLETE"]
    assert [attempt.outcome.cause for attempt in task.attempts] == [EndCause.PREEMPTED, EndCause.PREEMPTED, None]
    assert all(attempt.outcome.checkpoint for attempt in task.attempts[:2])
    sha256, log = result(world, job)
    assert sha256 == hashlib.sha256(alone.encode()).hexdigest()
    assert "attempt 3 restored 1 begins at sweep" in log
    assert "begins at sweep 0" not in log
    assert second.command("resume").code == 0
    until("nothing is held", lambda: not any(world.rooms().values()))
    until("nothing runs", lambda: not (first.running() or second.running()))


def test_a_lost_one_runs_elsewhere_and_when_it_is_back_one_counts(impatient: World, alone: str) -> None:
    world = impatient
    job = world.submit(ising("lost", every_s=10))
    begun(world, job, 1)
    here = world.runs_at(job)
    (attempt,) = here.running()
    until("a checkpoint is there", lambda: "saved" if _whole(world, job) else None, within_s=60)
    here.daemon.kill()
    there = world.other(here)
    until("it runs elsewhere", there.running, within_s=120)
    # its own keeper holds the first one still: both run
    old, new = world.task(job).attempts
    assert (old.id, old.fenced, old.outcome.cause, old.state) == (attempt, True, EndCause.LOST, JobState.SYSTEM_ERROR)
    assert (new.platform, new.number) == (there.platform, 2)
    here.daemon.start()
    until("the first is ended", lambda: attempt not in here.running(), within_s=60)
    task = world.ended(job, within_s=180)
    assert [one.state for one in task.attempts] == ["SYSTEM_ERROR", "COMPLETE"]
    sha256, log = result(world, job)
    assert sha256 == hashlib.sha256(alone.encode()).hexdigest()
    assert "attempt 2 restored 1 begins at sweep" in log
    with world.hub.client(world.key) as door:
        costs: dict[str, Decimal] = {}
        for line in door.jobs.charges(job.id):
            costs[line.attempt_id] = costs.get(line.attempt_id, Decimal(0)) + line.cost.amount
    assert costs.get(attempt, Decimal(0)) == 0
    assert costs[new.id] > 0
    until("nothing is held", lambda: not any(world.rooms().values()))
    until("nothing is kept", lambda: not any(here.jobs.iterdir()) and not any(there.jobs.iterdir()), within_s=60)


def _whole(world: World, job: Job) -> bool:
    return any(row["whole_at"] for row in world.hub.rows(tables.checkpoint) if row["job_id"] == job.id)
