"""What goes wrong with a real Slurm cluster, and what is asked of it besides: all end in the right state."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from suanlian.drivers.contract import DriverError, Fault, Limits, NativeId
from suanlian.drivers.slurm.options import Place
from suanlian.model.job import ENDED, JobState
from suanlian.model.platform import Share
from suanlian.model.quantity import Resources
from suanlian.testing.drivers import running
from suanlian.testing.processes import until
from suanlian.testing.slurm import Node, Shape, SlurmCluster, missing, unix_users
from tests.engines.slurm_bench import ENTITY, SlurmBench, slurm_bench

pytestmark = [pytest.mark.engine("slurm"), pytest.mark.skipif(bool(missing()), reason=missing())]

SHAPE = Shape(
    nodes=(Node("n1", gpus=2), Node("n2", gpus=2)),
    partitions=(("main", "Nodes=ALL PriorityTier=1"), ("urgent", "Nodes=ALL PriorityTier=10")),
    min_job_age_s=2,
    extra=("PreemptType=preempt/partition_prio", "PreemptMode=REQUEUE"),
)


@dataclass
class Site:
    """A cluster, a user of it and fresh directories."""

    cluster: SlurmCluster
    user: str

    def bench(self, *, rest: bool = True, **changes: object) -> SlurmBench:
        root = self.cluster.directory / "shared" / os.urandom(4).hex()
        root.parent.mkdir(exist_ok=True)
        return slurm_bench(self.cluster, root, self.user, rest=rest, **changes)

    def forgotten(self, job: str) -> None:
        """Wait until the controller has forgotten a job."""
        until(f"Slurm forgets job {job}", lambda: not self._remembers(job), within_s=180)

    def _remembers(self, job: str) -> bool:
        shown = self.cluster.command("squeue", "--noheader", "--states=all", "--format=%i").split()
        return any(entry.partition("_")[0] == job for entry in shown)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with ExitStack() as stack:
        user = stack.enter_context(unix_users("f"))["f"]
        yield Site(stack.enter_context(SlurmCluster(SHAPE)), user)


def shell(text: str) -> tuple[str, ...]:
    return ("sh", "-c", text)


def job_of(bench: SlurmBench, native: NativeId) -> str:
    """Slurm's number of a job."""
    book = bench.slurm._book  # noqa: SLF001 - what the driver keeps is looked at
    place = book.place(native)
    assert place is not None
    return str(book.number(place[0]))


def ended_in_slurm(site: Site, job: str) -> None:
    show = ("squeue", "--noheader", f"--jobs={job}", "--format=%T")
    until(f"job {job} ends", lambda: site.cluster.command(*show).strip() == "")


# ------------------------------------------------------------------ what is asked


@pytest.mark.parametrize("rest", [True, False], ids=["rest", "commands"])
def test_a_gang_meets_at_one_address_with_its_cards(site: Site, rest: bool) -> None:  # noqa: FBT001 - a way to speak
    bench = site.bench(rest=rest)
    said = 'echo "$SUANLIAN_NODES $SUANLIAN_RENDEZVOUS_HOST:$SUANLIAN_RENDEZVOUS_PORT" > rank$SUANLIAN_NODE_RANK.txt'
    native, seen = bench.run(shell(said), nodes=2, granted={"accelerator": 2})
    assert seen.state is JobState.COMPLETE, (seen, bench.slurm.read_log(native, "stderr", 0, 1000))
    place = bench.slurm.working_directory(native)
    told = [(place / f"rank{rank}.txt").read_text() for rank in (0, 1)]
    assert told[0] == told[1]
    assert told[0].startswith("2 127.0.0.1:2")


def test_cards_are_those_that_slurm_gave(site: Site) -> None:
    bench = site.bench()
    native, _ = bench.run(shell("echo $CUDA_VISIBLE_DEVICES"), granted={"accelerator": 2})
    assert bench.slurm.read_log(native, "stdout", 0, 100) == b"0,1\n"


def test_a_large_array_goes_in_few_submissions_and_each_task_has_its_index(site: Site) -> None:
    bench = site.bench(max_array=4)
    staged = dict(bench.stage() for _ in range(10))
    keys = dict(zip(range(50_000, 50_010), staged, strict=True))
    natives = bench.slurm.submit(bench.work(shell("echo $SUANLIAN_TASK_INDEX"), staged), keys=keys)
    for index, native in natives.items():
        assert bench.wait(native).state is JobState.COMPLETE
        assert bench.slurm.read_log(native, "stdout", 0, 100) == f"{index}\n".encode()
    assert len({job_of(bench, native) for native in natives.values()}) == 3


def test_the_job_is_its_users_own_and_secrets_do_not_stay(site: Site) -> None:
    bench = site.bench()
    native = bench.start(shell('id -un; echo "$TOKEN" | wc -c; sleep 30'), secret_env={"TOKEN": "it's $HOME `secret`"})
    bench.wait(native, running)
    until("it speaks", lambda: len(bench.slurm.read_log(native, "stdout", 0, 100).split()) == 2)
    assert bench.slurm.read_log(native, "stdout", 0, 100).split() == [site.user.encode(), b"20"]
    kept = [path for path in bench.root.rglob("*") if path.is_file() and b"secret`" in path.read_bytes()]
    state = [path for path in (site.cluster.directory / "state").rglob("*") if path.is_file()]
    assert kept + [path for path in state if b"secret`" in path.read_bytes()] == []
    bench.slurm.cancel(native)
    bench.wait(native)


def test_only_mapped_users_and_never_root(site: Site) -> None:
    bench = site.bench()
    key, folder = bench.stage()
    with pytest.raises(DriverError, match="no user on this cluster") as refused:
        bench.slurm.submit(bench.work(shell("true"), {key: folder}, entity="stranger"), keys={0: key})
    assert not refused.value.transient
    for user, word in (("root", "root"), ("nobody-here", "no user of this machine")):
        with pytest.raises(DriverError, match=word):
            site.bench(users={ENTITY: user})


def test_an_image_takes_a_runtime(site: Site) -> None:
    bench = site.bench()
    key, folder = bench.stage()
    work = replace(bench.work(shell("true"), {key: folder}, flavor="plain"), image="x.org/a@sha256:" + "0" * 64)
    with pytest.raises(DriverError, match="flavor 'plain' declares no runtime of images"):
        bench.slurm.submit(work, keys={0: key})


@pytest.mark.parametrize("rest", [True, False], ids=["rest", "commands"])
def test_what_slurm_never_runs_is_refused_and_leaves_nothing(site: Site, rest: bool) -> None:  # noqa: FBT001
    before = site.cluster.command("squeue", "--noheader", "--format=%i")
    bench = site.bench(rest=rest, shares={"main": Place(partition="nowhere")})
    key, folder = bench.stage()
    with pytest.raises(DriverError, match=r"nvalid partition") as refused:
        bench.slurm.submit(bench.work(shell("true"), {key: folder}), keys={0: key})
    assert not refused.value.transient
    assert list(bench.slurm.known()) == []
    _, seen = site.bench(rest=rest).run(shell("true"), nodes=9)
    assert (seen.state, seen.fault) == (JobState.SYSTEM_ERROR, Fault.REQUEST)
    assert "never" in seen.reason
    until("it waits no more", lambda: site.cluster.command("squeue", "--noheader", "--format=%i") == before)


@pytest.mark.parametrize("rest", [True, False], ids=["rest", "commands"])
def test_load_is_what_nobody_can_have(site: Site, rest: bool) -> None:  # noqa: FBT001
    bench = site.bench(rest=rest)
    share = Share(
        name="main", site="s", flavor="f", capacity=Resources.of({"cpu": 8000, "memory": 8000, "accelerator": 4})
    )
    assert bench.slurm.load(share).in_use == Resources()
    native = bench.start(shell("sleep 60"), granted={"cpu": 3000, "memory": 500, "accelerator": 1})
    bench.wait(native, running)
    told = bench.slurm.load(share)
    assert told.in_use == Resources.of({"cpu": 3000, "memory": 500, "accelerator": 1})
    assert (told.running, told.queued) == (1, 0)
    bench.slurm.cancel(native)
    bench.wait(native)


# ------------------------------------------------------------------ how jobs end


def test_a_job_that_ignores_sigterm_ends_and_leaves_no_process(site: Site) -> None:
    bench = site.bench()
    native = bench.start(shell("trap '' TERM; (setsid sleep 791 &); touch up; while :; do sleep 791; done"))
    place = bench.slurm.working_directory(native)
    bench.wait(native, lambda _: (place / "up").exists())
    bench.slurm.cancel(native)
    assert bench.wait(native).state is JobState.CANCELED
    until("its processes are gone", lambda: not [pid for pid in Path("/proc").iterdir() if _sleeps(pid)])


def _sleeps(process: Path) -> bool:
    try:
        return process.name.isdecimal() and b"sleep\x00791" in (process / "cmdline").read_bytes()
    except OSError:
        return False


def test_memory_and_output_have_bounds(site: Site) -> None:
    bench = site.bench()
    fill = ("python3", "-c", "x = b'1' * 400_000_000; import time; time.sleep(20)")
    _, seen = bench.run(fill, granted={"memory": 50})
    assert (seen.state, seen.limit) == (JobState.EXECUTOR_ERROR, "memory"), seen
    limits = Limits(wall_time_s=60, stream_bytes=10_000)
    native, seen = bench.run(shell("while :; do echo 0123456789; sleep 0.001; done"), limits=limits)
    assert (seen.state, seen.limit) == (JobState.EXECUTOR_ERROR, "output"), seen
    assert "output limit of 10000 bytes" in seen.reason
    assert len(bench.slurm.read_log(native, "stdout", 0, 1_000_000)) == 10_000


def test_a_lost_node_and_a_preemption_are_told_by_their_cause(site: Site) -> None:
    bench = site.bench()
    native = bench.start(shell("sleep 60"))
    bench.wait(native, running)
    on = site.cluster.command("squeue", "--noheader", f"--jobs={job_of(bench, native)}", "--format=%N").strip()
    node = next(node.name for node in SHAPE.nodes if site.cluster.node(node.name) == on)
    site.cluster.lose_node(node)
    seen = bench.wait(native)
    assert (seen.state, seen.fault) == (JobState.SYSTEM_ERROR, Fault.NODE)
    assert node in seen.reason
    site.cluster.start(node)
    site.cluster.wait_ready()
    native = bench.start(shell("sleep 60"), nodes=2, granted={"cpu": 4000})
    bench.wait(native, running)
    site.cluster.command(
        "sbatch", "--partition=urgent", "--ntasks=4", "--output=/dev/null", user=site.user, stdin="#!/bin/sh\nsleep 1\n"
    )
    seen = bench.wait(native)
    assert (seen.state, seen.fault) == (JobState.PREEMPTED, Fault.PREEMPTED)


def test_a_job_that_cannot_be_launched_is_the_platforms_fault(site: Site) -> None:
    bench = site.bench()
    key, folder = bench.stage()
    site.cluster.command("scontrol", "update", "partitionname=main", "state=down")
    bench.slurm.submit(bench.work(shell("true"), {key: folder}), keys={0: key})
    place = bench.slurm._book.place(key)  # noqa: SLF001 - what the driver keeps is spoilt
    assert place is not None
    (bench.slurm._book.here(place[0]) / "0").unlink()  # noqa: SLF001 - as on a node that does not see the directory
    site.cluster.command("scontrol", "update", "partitionname=main", "state=up")
    seen = bench.wait(NativeId(key))
    assert (seen.state, seen.fault) == (JobState.SYSTEM_ERROR, Fault.NODE)


# ------------------------------------------------------------------ crashes


@pytest.mark.parametrize("rest", [True, False], ids=["rest", "commands"])
def test_a_crash_between_submission_and_answer_starts_nothing_twice(site: Site, rest: bool) -> None:  # noqa: FBT001
    bench = site.bench(rest=rest)
    staged = dict(bench.stage() for _ in range(3))
    keys = dict(enumerate(staged))
    work = bench.work(shell("echo once >> runs.txt; sleep 1"), staged)
    first = bench.slurm.submit(work, keys=keys)
    number = job_of(bench, first[0])
    for kept in bench.root.glob("batches/*/job"):
        kept.unlink()  # Slurm has the job, and its answer was never heard
    again = bench.make()
    assert again.submit(work, keys={0: keys[0]}) == {0: first[0]}
    assert job_of(bench, first[0]) == number
    for native in first.values():
        assert bench.wait(native).state is JobState.COMPLETE
        assert (bench.slurm.working_directory(native) / "runs.txt").read_text() == "once\n"


def test_the_same_batch_twice_in_slurm_runs_once(site: Site) -> None:
    bench = site.bench()
    native = bench.start(shell("echo once >> runs.txt; sleep 2"))
    batch = next(bench.root.glob("batches/*/script.sh"))
    second = site.cluster.command("sbatch", "--parsable", "--output=/dev/null", user=site.user, stdin=batch.read_text())
    ended_in_slurm(site, second.strip())
    seen = bench.wait(native)
    assert (bench.slurm.working_directory(native) / "runs.txt").read_text() == "once\n"
    assert seen.state in ENDED


def test_cancelled_before_slurm_heard_of_it_it_never_begins(site: Site) -> None:
    bench = site.bench()
    staged = dict(bench.stage() for _ in range(2))
    keys = dict(enumerate(staged))
    work = bench.work(shell("touch ran"), staged)
    site.cluster.kill("rest")
    with pytest.raises(DriverError) as away:
        bench.slurm.submit(work, keys=keys)
    assert away.value.transient
    assert {attempt for _native, attempt in bench.slurm.known()} == set(staged)
    bench.slurm.cancel(NativeId(keys[0]))
    site.cluster.start("rest")
    until("slurmrestd listens", lambda: bench.slurm.probe().ready)
    natives = bench.slurm.submit(work, keys=keys)
    assert bench.wait(natives[0]).state is JobState.CANCELED
    assert bench.wait(natives[1]).state is JobState.COMPLETE
    assert not (bench.slurm.working_directory(natives[0]) / "ran").exists()


# ------------------------------------------------------------------ what Slurm forgets


@dataclass(frozen=True)
class Waiting:
    """A job for whose end, or for whose being forgotten, Slurm takes a minute: all are begun at once."""

    bench: SlurmBench
    natives: Mapping[int, NativeId]

    def forgotten(self, site: Site) -> None:
        """Wait until Slurm knows nothing of it."""
        site.forgotten(job_of(self.bench, next(iter(self.natives.values()))))


@pytest.fixture(scope="module")
def waiting(site: Site) -> Mapping[str, Waiting]:
    made: dict[str, Waiting] = {}
    for way, jobcomp in (("jobcomp", site.cluster.jobcomp), ("own", None)):
        bench = site.bench(jobcomp=jobcomp)
        staged = dict(bench.stage() for _ in range(2))
        work = bench.work(shell("exit $SUANLIAN_TASK_INDEX"), staged)
        made[way] = Waiting(bench, bench.slurm.submit(work, keys=dict(zip((0, 7), staged, strict=True))))
    bench = site.bench()
    # the script dies, and writes no end
    made["no trace"] = Waiting(bench, {0: bench.start(shell("kill -9 $PPID"))})
    bench = site.bench()
    bench.patience_s = 150
    made["too long"] = Waiting(bench, {0: bench.start(shell("sleep 300"), limits=Limits(wall_time_s=20))})
    return made


@pytest.mark.parametrize("way", ["jobcomp", "own"])
@pytest.mark.timeout(300)
def test_what_slurm_has_forgotten_is_known_by_other_means(site: Site, waiting: Mapping[str, Waiting], way: str) -> None:
    bench, natives = waiting[way].bench, waiting[way].natives
    waiting[way].forgotten(site)
    good, bad = (bench.slurm.observe([native])[native] for native in natives.values())
    assert (good.state, good.exit_code) == (JobState.COMPLETE, 0), good
    assert (bad.state, bad.exit_code) == (JobState.EXECUTOR_ERROR, 7), bad
    assert ("its own record" in bad.reason) == (way == "own")
    assert bad.started_at is not None
    assert bad.ended_at is not None
    assert bad.ended_at >= bad.started_at


@pytest.mark.timeout(300)
def test_forgotten_without_a_trace_it_is_lost(site: Site, waiting: Mapping[str, Waiting]) -> None:
    bench, native = waiting["no trace"].bench, waiting["no trace"].natives[0]
    waiting["no trace"].forgotten(site)
    seen = bench.slurm.observe([native])[native]
    assert seen.lost
    assert seen.state not in ENDED
    bench.slurm.forget(native)
    assert list(bench.slurm.known()) == []


def test_a_number_that_is_given_away_again_is_not_taken_for_ours(site: Site) -> None:
    bench = site.bench(jobcomp=None)
    native = bench.start(shell("sleep 1"))
    number = int(job_of(bench, native))
    bench.slurm._book.keep_number(bench.slurm._book.place(native)[0], number + 1)  # type: ignore[index]  # noqa: SLF001
    script = "#!/bin/sh\nsleep 30\n"
    other = site.cluster.command("sbatch", "--parsable", "--output=/dev/null", user=site.user, stdin=script).strip()
    assert int(other) == number + 1  # as after a reset of the controller: a stranger's job has our number
    seen = bench.wait(native, lambda seen: seen.state in ENDED)
    assert seen.state is JobState.COMPLETE
    assert "its own record" in seen.reason
    bench.slurm.forget(native)
    assert "RUNNING" in site.cluster.command("squeue", "--noheader", f"--jobs={other}", "--format=%T")
    site.cluster.command("scancel", other)


# ------------------------------------------------------------------ an engine that is away


@pytest.mark.parametrize("rest", [True, False], ids=["rest", "commands"])
def test_an_engine_that_is_down_is_told_and_comes_back(site: Site, rest: bool) -> None:  # noqa: FBT001
    bench = site.bench(rest=rest, timeout_s=1.0)
    native = bench.start(shell("sleep 3"))
    bench.wait(native, running)
    what = "rest" if rest else "controller"
    site.cluster.freeze(what)
    _unreachable(bench, native)
    assert bench.slurm.read_log(native, "stdout", 0, 10) == b""
    site.cluster.thaw(what)
    site.cluster.kill(what)
    _unreachable(bench, native)
    site.cluster.start(what)
    until("it is back", lambda: bench.slurm.probe().ready)
    assert bench.wait(native).state is JobState.COMPLETE


def _unreachable(bench: SlurmBench, native: NativeId) -> None:
    assert not bench.slurm.probe().ready
    started = time.monotonic()
    with pytest.raises(DriverError) as away:
        bench.slurm.observe([native])
    assert away.value.transient
    assert time.monotonic() - started < 60  # a busy machine is slow, but who waits for ever is still here then


def test_a_token_that_expires_is_told_and_its_successor_taken(site: Site) -> None:
    bench = site.bench(token_file=str(site.cluster.token_file(site.user)))
    native = bench.start(shell("sleep 4"))
    bench.wait(native, running)
    site.cluster.token_file(site.user, lifespan_s=1)
    until("the token ends", lambda: not bench.slurm.probe().ready)
    assert "token has expired" in bench.slurm.probe().detail
    with pytest.raises(DriverError, match="token has expired") as refused:
        bench.slurm.observe([native])
    assert refused.value.transient
    site.cluster.token_file(site.user)
    assert bench.wait(native).state is JobState.COMPLETE


def test_a_token_by_a_command_renews_itself(site: Site) -> None:
    conf = str(site.cluster.conf)
    command = ("env", f"SLURM_CONF={conf}", "scontrol", "token", "username={user}", "lifespan=2")
    bench = site.bench(token_file=None, token_command=command)
    _, seen = bench.run(shell("sleep 4"))
    assert seen.state is JobState.COMPLETE


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_time_has_a_bound(waiting: Mapping[str, Waiting]) -> None:
    """The last: its job was begun long before."""
    seen = waiting["too long"].bench.wait(waiting["too long"].natives[0])
    assert (seen.state, seen.limit) == (JobState.EXECUTOR_ERROR, "wall-time"), seen
    assert "wall time limit of 20 s" in seen.reason
