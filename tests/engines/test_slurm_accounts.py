"""Jobs that Slurm has forgotten, by a real slurmdbd: asked through slurmrestd, and by sacct."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from suanlian.drivers.slurm.options import Place
from suanlian.model.job import JobState
from suanlian.testing.drivers import running
from suanlian.testing.processes import until
from suanlian.testing.slurm import Node, Shape, SlurmCluster, missing, unix_users
from tests.engines.slurm_bench import slurm_bench

LACKING = missing(accounts=True)
pytestmark = [pytest.mark.engine("slurmdbd"), pytest.mark.skipif(bool(LACKING), reason=LACKING)]
WORK = "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; exit $SUANLIAN_TASK_INDEX"


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[SlurmCluster, str]]:
    with ExitStack() as stack:
        user = stack.enter_context(unix_users("acct"))["acct"]
        yield stack.enter_context(SlurmCluster(Shape(nodes=(Node("n1"),), accounts=True, min_job_age_s=2))), user


@pytest.mark.parametrize("rest", [True, False], ids=["rest", "commands"])
def test_exit_code_and_usage_are_known_after_slurm_has_forgotten(site: tuple[SlurmCluster, str], rest: bool) -> None:  # noqa: FBT001
    cluster, user = site
    root = cluster.directory / "shared" / os.urandom(4).hex()
    root.parent.mkdir(exist_ok=True)
    bench = slurm_bench(cluster, root, user, rest=rest, slurmdbd=True)
    staged = dict(bench.stage() for _ in range(2))
    keys = dict(zip((0, 7), staged, strict=True))
    natives = bench.slurm.submit(bench.work(("sh", "-c", WORK), staged), keys=keys)
    show = ("squeue", "--noheader", "--states=all", "--format=%i")
    until("they have run", lambda: all((root / f"attempts/{key}/mark/ended").exists() for key in staged))
    until("Slurm forgets them", lambda: cluster.command(*show) == "", within_s=90)
    for left in root.glob("attempts/*/mark/ended"):
        left.unlink()  # nothing but slurmdbd knows it now
    good, bad = (bench.slurm.observe([native])[native] for native in natives.values())
    assert (good.state, good.exit_code) == (JobState.COMPLETE, 0), good
    # slurmrestd 22.05 says that a job failed, and of its exit code that it was 0
    assert (bad.state, bad.exit_code) == (JobState.EXECUTOR_ERROR, None if rest else 7), bad
    assert bad.measured.cpu_s > 0
    assert bad.started_at is not None
    assert bad.ended_at is not None


def test_a_share_is_a_qos_and_an_account_of_the_site(site: tuple[SlurmCluster, str]) -> None:
    cluster, user = site
    for made in (
        ("add", "qos", "federation"),
        ("add", "account", "outside"),
        ("add", "user", user, "account=outside", "qos=normal,federation"),
    ):
        cluster.command("sacctmgr", "--immediate", *made)
    root = cluster.directory / "shared" / os.urandom(4).hex()
    root.parent.mkdir(exist_ok=True)
    shares = {"main": Place(partition="main", qos="federation", account="outside")}
    bench = slurm_bench(cluster, root, user, rest=True, shares=shares)
    native = bench.start(("sleep", "60"))
    bench.wait(native, running)
    shown = cluster.command("squeue", "--noheader", "--format=%P %q %a").split()
    assert shown == ["main", "federation", "outside"]
    bench.slurm.cancel(native)
    bench.wait(native)
