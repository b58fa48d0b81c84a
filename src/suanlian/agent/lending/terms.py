"""What does the owner say of lending, and which jobs may go by that? ``[lending]`` of agent.toml. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from suanlian.drivers.lending import LendTerms, LocalJob
from suanlian.model.base import Name, Value
from suanlian.model.job import MAX_WALL_S, EnvironmentName
from suanlian.model.levels import Level, ProtectionGrade, RegionPrefix
from suanlian.model.money import Amount
from suanlian.model.owner import ANYBODY, Pattern
from suanlian.model.performance import Architecture


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        msg = f"{str(path)!r} is a relative path: every node must find it, write it from / on"
        raise ValueError(msg)
    return path


class Lending(Value):
    """What may be lent, and how. Times in seconds."""

    queues: tuple[Name, ...] = Field(default=(), max_length=64, description="where a job may ask to be lent")
    lending_queues: tuple[Name, ...] = Field(default=(), max_length=64, description="where every job asks for it")
    users: tuple[Pattern, ...] = Field(default=(ANYBODY,), max_length=4000, description="whose jobs; * stands in")
    max: int = Field(default=50, ge=1, le=2000, description="so many at once")
    max_of_user: int = Field(default=20, ge=1, le=2000)
    wait_s: int = Field(default=300, ge=0, le=14 * 86_400, description="a job has waited so long before it is lent")
    patience_s: int = Field(
        default=1800, ge=10, le=14 * 86_400, description="so long it may wait for a place elsewhere"
    )
    data_level: Level | None = Field(default=None, description="how sensitive lent data is; not said: nothing is lent")
    residency: tuple[RegionPrefix, ...] = Field(default=(), max_length=64)
    protection_min: ProtectionGrade = 0
    environment: Name = Field(default="shell", description="the named environment elsewhere, unless the job says one")
    environments: tuple[Name, ...] = Field(default=(), max_length=64, description="what jobs may name besides")
    architectures: tuple[Architecture, ...] = Field(default=(Architecture.X86_64,), min_length=1, max_length=16)
    variables: tuple[EnvironmentName, ...] = Field(default=(), max_length=400, description="names that may leave")
    network: bool = False
    wall_time_s: int = Field(default=86_400, ge=1, le=MAX_WALL_S, description="of jobs that have no limit at home")
    max_cost: Annotated[Amount, Field(gt=0)] | None = Field(default=None, description="of one job, estimated, CNY")
    spool: Annotated[Path, AfterValidator(_absolute)] = Path("/var/spool/suanlian")
    replay_queue: Name | None = Field(default=None, description="where a job tells its end; else in its own queue")
    end: Literal["replay", "cancel"] = "replay"
    spool_days: int = Field(default=7, ge=0, le=3650, description="so long an end is kept after it was told")

    def for_driver(self) -> LendTerms:
        """What the engine's side needs to know."""
        return LendTerms(
            queues=self.queues,
            lending_queues=self.lending_queues,
            spool=self.spool,
            replay_queue=self.replay_queue,
            cancels=self.end == "cancel",
            variables=self.variables,
        )


@dataclass(frozen=True, slots=True)
class Away:
    """What is lent already, by user."""

    by_user: Sequence[str] = field(default=())


OPTIONS: Final = frozenset({"env", "in", "out"})
MAX_OUTPUTS: Final = 64


def why_not(job: LocalJob, terms: Lending, away: Away, now: datetime) -> str:
    """Why this job is not lent now; empty where it is. What only time mends comes last."""
    faults = (
        (bool(job.why_not), job.why_not),
        (terms.data_level is None, "the owner has set no data_level, and without it nothing is lent"),
        (not any(fnmatchcase(job.user, pattern) for pattern in terms.users), "its user may not lend"),
        (bool(set(job.options) - OPTIONS), f"it asks for what is not known: {', '.join(sorted(set(job.options)))}"),
        (not _environment_fits(job, terms), "it names an environment that the owner does not list"),
        (len(job.options.get("out", ())) > MAX_OUTPUTS, f"it names more than {MAX_OUTPUTS} outputs"),
        ((job.wall_time_s or 0) > MAX_WALL_S, "its time limit is longer than a job may be elsewhere"),
        (now - job.since < timedelta(seconds=terms.wait_s), f"it has not waited {terms.wait_s} s yet"),
        (len(away.by_user) >= terms.max, f"{terms.max} jobs are lent already"),
        (list(away.by_user).count(job.user) >= terms.max_of_user, f"{terms.max_of_user} jobs of its user are lent"),
    )
    return next((text for is_so, text in faults if is_so), "")


def _environment_fits(job: LocalJob, terms: Lending) -> bool:
    named = job.options.get("env", ())
    return len(named) <= 1 and set(named) <= {terms.environment, *terms.environments}
