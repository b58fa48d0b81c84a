"""The contract of drivers on real Slurm clusters, by slurmrestd and by Slurm's commands."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from suanlian.testing.drivers import DriverBench, DriverContract
from suanlian.testing.slurm import SlurmCluster, missing, unix_users
from tests.engines.slurm_bench import slurm_bench

pytestmark = [pytest.mark.engine("slurm"), pytest.mark.skipif(bool(missing()), reason=missing())]


@pytest.fixture(scope="session")
def user() -> Iterator[str]:
    with unix_users("a") as users:
        yield users["a"]


@pytest.fixture(scope="session")
def cluster(user: str) -> Iterator[SlurmCluster]:
    del user  # goes after what it ran
    with SlurmCluster() as cluster:
        yield cluster


@pytest.fixture
def place(cluster: SlurmCluster) -> Path:
    """A directory that the users of jobs can reach, unlike pytest's own."""
    root = cluster.directory / "shared" / os.urandom(4).hex()
    root.parent.mkdir(exist_ok=True)
    return root


class TestByRest(DriverContract):
    @pytest.fixture
    def bench(self, cluster: SlurmCluster, place: Path, user: str) -> DriverBench:
        return slurm_bench(cluster, place, user, rest=True)


class TestByCommands(DriverContract):
    @pytest.fixture
    def bench(self, cluster: SlurmCluster, place: Path, user: str) -> DriverBench:
        return slurm_bench(cluster, place, user, rest=False)
