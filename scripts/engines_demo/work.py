"""What is shown: the same job on every engine, an array, four architectures, a job moved twice, overflow both ways."""

import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from scripts.engines_demo.platforms import NATIVE, called
from scripts.engines_demo.stage import Stage
from scripts.engines_demo.table import Row
from suanlian.demo.engines import architectures
from suanlian.demo.world import native_architecture
from suanlian.model.demand import Checkpoint
from suanlian.model.job import ENDED, Input, Job, JobSpec, JobState, Task, Variant, Wants
from suanlian.model.moving import Move
from suanlian.model.quantity import Resources
from suanlian.sdk.client import Client

PATIENCE_S: Final = 180.0
WUHU, SUZHOU, JIASHAN, ZHONGWEI = "wuhu-cluster", "suzhou-public", "jiashan-intelligent", "zhongwei-west"
TWICE: Final = 2
_ROOT: Final = Path(__file__).resolve().parents[2]
BUYER: Final = "buyer-research"
_LOOK_S: Final = 0.2
_SMALL: Final = Resources.of({"cpu": 500, "memory": 256, "disk": 64})
_SUM: Final = "print(sum(range(1_000_001)))"
_SUM_IS: Final = b"500000500000\n"


def work(stage: Stage) -> Iterator[Row]:
    """Everything, one after another, a row each."""
    with stage.delta.client(stage.keys[BUYER]) as buyer:
        yield from everywhere(stage, buyer)
        yield array(stage, buyer)
        yield four(stage, buyer)
        yield moved(stage, buyer)
    for full, idle in ((WUHU, SUZHOU), (SUZHOU, WUHU)):
        yield overflow(stage, full, idle)
    yield closed(stage)


def spec(name: str, command: Sequence[str], **more: object) -> JobSpec:
    """A small job for this machine's own architecture."""
    variant = Variant(architecture=native_architecture(), environment=NATIVE, command=tuple(command))
    return JobSpec.model_validate(
        {"name": name, "resources": _SMALL, "variants": (variant,), "wall_time_s": 300, **more}
    )


def ended(stage: Stage, client: Client, job: str) -> Job:
    """Wait for its end. Raises TimeoutError with where it stands."""
    deadline = time.monotonic() + PATIENCE_S
    while (seen := client.jobs.get(job)).state not in ENDED:
        stage.fleet.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"{seen.name} is {seen.state.value} after {PATIENCE_S:.0f} s: {seen.waiting}")
        time.sleep(_LOOK_S)
    return seen


def everywhere(stage: Stage, buyer: Client) -> Iterator[Row]:
    """The same job on each engine, wherever it is; the buyer knows none of them."""
    for name, place in stage.places.items():
        began = time.monotonic()
        wanted = Wants(platform=name)
        made = buyer.jobs.submit(spec(f"sum-{name}", ("python", "-c", _SUM), wants=wanted))
        seen = ended(stage, buyer, made.id)
        said = b"".join(buyer.jobs.log(made.id, index=0, stream="stdout"))
        right = seen.state is JobState.COMPLETE and said == _SUM_IS
        result = said.decode().strip() if right else f"{seen.state.value}: {_reason(list(buyer.jobs.tasks(made.id)))}"
        yield Row("the same job everywhere", f"{name} ({place.engine.title})", result, right, time.monotonic() - began)


def array(stage: Stage, buyer: Client) -> Row:
    """An array goes to Slurm as one of its own."""
    began = time.monotonic()
    command = ("python", "-c", "import os; print(int(os.environ['SUANLIAN_TASK_INDEX']) ** 2)")
    wanted = Wants(platform="wuhu-cluster")
    made = buyer.jobs.submit(spec("squares", command, array_size=12, wants=wanted))
    seen = ended(stage, buyer, made.id)
    said = [b"".join(buyer.jobs.log(made.id, index=index, stream="stdout")) for index in range(12)]
    right = seen.state is JobState.COMPLETE and said == [f"{n * n}\n".encode() for n in range(12)]
    return Row(
        "an array of 12",
        "wuhu-cluster",
        "0, 1, 4 ... 121" if right else seen.state.value,
        right,
        time.monotonic() - began,
    )


def four(stage: Stage, buyer: Client) -> Row:
    """One C source and one job's variants on four instruction sets, each on a platform of another kind."""
    began = time.monotonic()
    folder = stage.root / "built"
    folder.mkdir()
    built = architectures.build(folder)
    chosen = {place.architecture: name for name, place in stage.places.items()}
    made = [
        buyer.jobs.submit(
            architectures.job(
                built,
                f"orbit-{architecture.value}".replace("_", "-"),
                array_size=None,
                wants=Wants(platform=name, flavor=called(name, architecture)),
            )
        )
        for architecture, name in chosen.items()
    ]
    seen = [ended(stage, buyer, one.id) for one in made]
    said = [b"".join(buyer.jobs.log(one.id, index=0, stream="stdout")).decode() for one in made]
    ran = [task.attempts[-1] for one in made for task in buyer.jobs.tasks(one.id) if task.attempts]
    labels = [f"{one.architecture.value}{' (emulated)' if one.simulated else ''} at {one.platform}" for one in ran]
    equal = all(one.state is JobState.COMPLETE for one in seen) and architectures.equal(said)
    right = equal and len({one.architecture for one in ran}) == len(built)
    result = "equal output, to the last bit" if equal else ", ".join(one.state.value for one in seen)
    return Row("one C source on four instruction sets", ", ".join(labels), result, right, time.monotonic() - began)


def moved(stage: Stage, buyer: Client) -> Row:
    """An iterative program, moved from Slurm to Ray and on to the sandbox, ends with the checksum of one run."""
    began = time.monotonic()
    source = (_ROOT / "examples" / "ising.py").read_text()
    arguments = ("48", "4000", "2.27", "7")
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, str(_ROOT / "examples" / "ising.py"), *arguments]
        subprocess.run(command, cwd=place, check=True, capture_output=True, timeout=PATIENCE_S)
        alone = hashlib.sha256((Path(place) / "result.txt").read_bytes()).hexdigest()
    made = buyer.jobs.submit(
        spec(
            "ising",
            ("python", "ising.py", *arguments),
            inputs=(Input(path="ising.py", content=source),),
            outputs=("result.txt",),
            checkpoint=Checkpoint(path="state", signal="USR1", grace_s=20),
        )
    )
    for number, to in enumerate((WUHU, JIASHAN, ZHONGWEI), 1):
        if _begun(stage, buyer, made.id, number).attempts[-1].platform != to:
            buyer.jobs.move(made.id, Move(to=to))
    seen = ended(stage, buyer, made.id)
    (task,) = buyer.jobs.tasks(made.id)
    sums = [one.sha256 for one in buyer.jobs.outputs(made.id)]
    where = " -> ".join(attempt.platform for attempt in task.attempts)
    engines = {stage.places[attempt.platform].engine.driver for attempt in task.attempts}
    right = seen.state is JobState.COMPLETE and sums == [alone] and len(task.attempts) > TWICE and len(engines) > TWICE
    result = f"checksum {alone[:12]}, as of one run" if sums == [alone] else f"{seen.state.value}: {_reason([task])}"
    return Row("a program moved between engines", where, result, right, time.monotonic() - began)


def _begun(stage: Stage, buyer: Client, job: str, number: int) -> Task:
    """The task, once its attempt of this number has said that it began."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        stage.fleet.check()
        (task,) = buyer.jobs.tasks(job)
        runs = len(task.attempts) >= number and task.attempts[-1].state is JobState.RUNNING
        if runs and f"attempt {len(task.attempts)} restored".encode() in b"".join(buyer.jobs.log(job)):
            return task
        if time.monotonic() > deadline:
            raise TimeoutError(f"attempt {number} has not begun: {task}")
        time.sleep(_LOOK_S)


def overflow(stage: Stage, full: str, idle: str) -> Row:
    """What waits at the full cluster runs at the idle one, and its end is seen at home."""
    began = time.monotonic()
    home = stage.places[full].engine.lends
    if home is None:
        return Row("overflow", f"{full} -> {idle}", "the cluster lends nothing", right=False, seconds=0.0)
    blocker = home.fill()
    (home.home / "a.txt").write_text(f"data of {full}\n")
    script = "#!/bin/bash\necho $SLURM_JOB_ID reads $(cat a.txt)\nmkdir res; cp a.txt res/\nexit 3\n"
    number = home.sbatch("--comment=suanlian:in=a.txt,out=res", "--output=out-%j.txt", script=script)
    told = home.ended(number, within_s=PATIENCE_S)
    said = home.read(f"out-{number}.txt")
    home.cluster.command("scancel", blocker)
    right = (told["JobState"], told["ExitCode"]) == ("FAILED", "3:0")
    right = right and said == f"{number} reads data of {full}\n" and home.read("res/a.txt") == f"data of {full}\n"
    right = right and f"ran at {idle}" in told["AdminComment"]
    result = f"at home: {told['JobState']}, exit code {told['ExitCode']}; {told['AdminComment']}"
    return Row("sbatch at the full cluster", f"{full} -> {idle}", result, right, time.monotonic() - began)


def closed(stage: Stage) -> Row:
    """From outside nothing of a platform answers: neither its engine nor its connector."""
    began = time.monotonic()
    if not stage.nets.apart:
        return Row("inbound", "all", "not apart on this machine", right=True, seconds=0.0)
    reached = stage.nets.reached()
    result = "nothing answers from outside" if not reached else f"answers: {', '.join(reached)}"
    return Row("inbound closed", f"{len(stage.places)} networks", result, not reached, time.monotonic() - began)


def _reason(tasks: Sequence[Task]) -> str:
    attempts = [attempt for task in tasks for attempt in task.attempts]
    return attempts[-1].outcome.reason if attempts else "it never began"
