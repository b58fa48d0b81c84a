"""Slurm's numbers begin anew when its state is lost: what is told to a number must not reach another's job."""

from collections.abc import Collection, Sequence
from pathlib import Path

import pytest

from suanlian.drivers.contract import DriverError, Limits, NativeId, Work
from suanlian.drivers.slurm.driver import SlurmDriver
from suanlian.drivers.slurm.options import SlurmOptions
from suanlian.drivers.slurm.records import JobRecord, NodeRecord, Queue, Request, SlurmError
from suanlian.model.ids import AttemptId, new_id
from suanlian.model.quantity import Resources


class Forgetful:
    """A Slurm whose state can be lost, and whose accounting is away."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.told: list[str] = []

    def ping(self) -> str:
        return "23.11"

    def submit(self, request: Request, user: str) -> int:
        del user
        self.names[len(self.names) + 1] = request.name
        return len(self.names)

    def jobs(self, ids: Collection[int]) -> Sequence[JobRecord]:
        return [JobRecord(job_id=n, state="RUNNING", name=self.names[n]) for n in ids if n in self.names]

    def named(self, name: str) -> Sequence[JobRecord]:
        return [JobRecord(job_id=n, state="RUNNING", name=had) for n, had in self.names.items() if had == name]

    def accounted(self, ids: Collection[int], since: int) -> Sequence[JobRecord]:
        raise SlurmError(f"slurmdbd is down, asked of {ids} since {since}", transient=True)

    def cancel(self, job: str, user: str) -> None:
        self.told.append(f"cancel {job} as {user}")

    def signal(self, job: str, name: str, user: str) -> None:
        self.told.append(f"{name} to {job} as {user}")

    def nodes(self) -> Sequence[NodeRecord]:
        return []

    def queue(self, partition: str | None) -> Queue:
        raise NotImplementedError(partition)


@pytest.fixture
def engine() -> Forgetful:
    return Forgetful()


@pytest.fixture
def driver(tmp_path: Path, engine: Forgetful) -> SlurmDriver:
    driver = SlurmDriver(SlurmOptions(root=tmp_path / "jobs", users={"lab": "nobody", "mill": "nobody"}, slurmdbd=True))
    driver._engine = engine  # noqa: SLF001 - the engine is what is faked
    return driver


def submitted(driver: SlurmDriver, entity: str, folder: Path) -> NativeId:
    key = AttemptId(new_id())
    (staged := folder / key).mkdir()
    granted = Resources.model_validate({"cpu": "1", "memory": "64MiB"})
    work = Work(("true",), None, None, {}, granted, Limits(60), network=True, staged={key: staged}, entity=entity)
    return driver.submit(work, keys={0: key})[0]


def test_what_is_told_to_a_job_reaches_it(driver: SlurmDriver, engine: Forgetful, tmp_path: Path) -> None:
    mine = submitted(driver, "lab", tmp_path)
    driver.signal(mine, "USR1")
    driver.cancel(mine)
    assert engine.told == ["USR1 to 1 as nobody", "cancel 1 as nobody"]


def test_nothing_is_told_to_a_job_of_the_same_number_and_user(
    driver: SlurmDriver, engine: Forgetful, tmp_path: Path
) -> None:
    mine = submitted(driver, "lab", tmp_path)
    engine.names.clear()
    submitted(driver, "mill", tmp_path)
    assert len(engine.names) == 1
    with pytest.raises(DriverError, match="slurmdbd is down"):
        driver.observe([mine])
    driver.signal(mine, "USR1")
    driver.suspend(mine)
    driver.cancel(mine)
    assert engine.told == []
