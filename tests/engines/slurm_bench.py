"""A Slurm driver over a cluster of tests, and how it is given work: by slurmrestd or by Slurm's commands."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from suanlian.drivers.contract import Work
from suanlian.drivers.slurm.driver import SlurmDriver
from suanlian.drivers.slurm.options import Place, SlurmOptions
from suanlian.model.ids import AttemptId
from suanlian.testing.drivers import POSIX, DriverBench
from suanlian.testing.slurm import SlurmCluster

ENTITY = "ent-a"
COMMANDS = {**POSIX, "ok": ("sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo hello | tee out.txt")}


class SlurmBench(DriverBench):
    """Gives all work to the entity that is mapped."""

    root: Path

    def work(self, command: tuple[str, ...], staged: Mapping[AttemptId, Path], **changes: object) -> Work:
        return super().work(command, staged, **{"entity": ENTITY, "share": "main", **changes})

    @property
    def slurm(self) -> SlurmDriver:
        return cast("SlurmDriver", self.driver)


def options(cluster: SlurmCluster, root: Path, user: str, *, rest: bool, **changes: object) -> SlurmOptions:
    way: dict[str, object] = {"conf": cluster.conf}
    if rest:
        token = None if "token_file" in changes else str(cluster.token_file(user))
        way = {"rest_url": cluster.rest_url, "token_file": token}
    said = {"root": root, "users": {ENTITY: user}, "shares": {"main": Place(partition="main")}, **way, **changes}
    return SlurmOptions(**said)  # type: ignore[arg-type]


def slurm_bench(cluster: SlurmCluster, root: Path, user: str, *, rest: bool, **changes: object) -> SlurmBench:
    chosen = options(cluster, root, user, rest=rest, **changes)
    bench = SlurmBench(
        make=lambda: SlurmDriver(chosen), staging=root.parent / f"{root.name}-staging", commands=COMMANDS
    )
    bench.root = root
    return bench
