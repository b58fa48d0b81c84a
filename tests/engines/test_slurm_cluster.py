"""Is the cluster of the tests a real one: several nodes with cards, users of their own, two side by side, none left?"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from suanlian.testing.processes import until
from suanlian.testing.slurm import Node, Shape, SlurmCluster, missing, unix_users

pytestmark = [pytest.mark.engine("slurm"), pytest.mark.skipif(bool(missing()), reason=missing())]


@pytest.fixture(scope="module")
def user() -> Iterator[str]:
    with unix_users("a") as users:
        yield users["a"]


@pytest.fixture(scope="module")
def two(user: str) -> Iterator[tuple[SlurmCluster, SlurmCluster]]:
    del user  # the clusters, and with them all its processes, end before it
    with ExitStack() as stack:
        first = stack.enter_context(SlurmCluster())
        second = stack.enter_context(SlurmCluster(Shape(name="other", nodes=(Node("m1", cpus=2),)), rest=False))
        yield first, second


def _ended(cluster: SlurmCluster, job: str) -> str:
    def state() -> str:
        shown = cluster.command("squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T").strip()
        return shown if shown in {"COMPLETED", "FAILED", "CANCELLED", "NODE_FAIL", "TIMEOUT"} else ""

    return until(f"job {job} ends", state)


def test_a_job_runs_as_its_user_with_the_card_that_it_was_given(
    two: tuple[SlurmCluster, SlurmCluster], user: str
) -> None:
    cluster = two[0]
    told = cluster.directory / "told"
    told.touch()
    told.chmod(0o666)
    script = f"#!/bin/sh\necho $(id -un) $CUDA_VISIBLE_DEVICES > {told}\n"
    options = ("--parsable", "--output=/dev/null", "--gres=gpu:1")
    job = cluster.command("sbatch", *options, user=user, stdin=script).strip()
    assert _ended(cluster, job) == "COMPLETED"
    assert told.read_text() == f"{user} 0\n"


def test_two_clusters_know_nothing_of_each_other(two: tuple[SlurmCluster, SlurmCluster], user: str) -> None:
    first, second = two
    options = ("--parsable", "--output=/dev/null", "--job-name=there")
    second.command("sbatch", *options, user=user, stdin="#!/bin/sh\nsleep 60\n")
    assert "there" in second.command("squeue", "--format=%j")
    assert "there" not in first.command("squeue", "--format=%j")


def test_slurmrestd_takes_a_token_and_nothing_else(two: tuple[SlurmCluster, SlurmCluster], user: str) -> None:
    cluster = two[0]
    url = f"{cluster.rest_url}/slurm/v0.0.38/jobs"
    with httpx2.Client(trust_env=False) as http:
        headers = {"X-SLURM-USER-NAME": user, "X-SLURM-USER-TOKEN": cluster.token(user)}
        assert http.get(url, headers=headers).json()["errors"] == []
        assert http.get(url, headers={**headers, "X-SLURM-USER-TOKEN": "no.such.token"}).status_code >= 400


def test_what_was_started_is_ended_jobs_too(user: str) -> None:
    with SlurmCluster(Shape(nodes=(Node("n1"),)), rest=False) as cluster:
        job = cluster.command("sbatch", "--parsable", "--output=/dev/null", user=user, stdin="#!/bin/sh\nsleep 77\n")
        until("it runs", lambda: "RUNNING" in cluster.command("squeue", f"--jobs={job.strip()}", "--format=%T"))
        conf = str(cluster.conf)
    assert not cluster.directory.exists()
    assert [pid for pid in Path("/proc").iterdir() if pid.name.isdecimal() and conf in _environment(pid)] == []


def _environment(process: Path) -> str:
    try:
        return (process / "environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def test_a_lost_node_takes_its_jobs_and_a_reset_counts_anew(user: str) -> None:
    with SlurmCluster(Shape(nodes=(Node("n1"), Node("n2"))), rest=False) as cluster:
        options = ("--parsable", "--output=/dev/null", "--no-requeue", f"--nodelist={cluster.node('n2')}")
        job = cluster.command("sbatch", *options, user=user, stdin="#!/bin/sh\nsleep 78\n").strip()
        until("it runs", lambda: "RUNNING" in cluster.command("squeue", f"--jobs={job}", "--format=%T"))
        cluster.lose_node("n2")
        assert _ended(cluster, job) == "NODE_FAIL"
        cluster.start("n2")
        cluster.reset()
        assert cluster.command("sbatch", "--parsable", "--output=/dev/null", user=user, stdin="#!/bin/sh\n") == "1\n"
