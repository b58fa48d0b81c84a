"""What the driver hands to the keeper: everything decided, plain values only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from suanlian.drivers.local.keeper import record


class Bounded(NamedTuple):
    """The limits of one job. MiB, seconds, bytes a stream."""

    cpu_millicores: int
    memory_mib: int
    disk_mib: int
    processes: int
    wall_s: int
    stream_bytes: int
    grace_s: float


class Spec(NamedTuple):
    """One job for its keeper."""

    attempt: str
    argv: list[str]
    """The command with the environment's launcher before it."""
    env: Mapping[str, str]
    cwd: str
    """Where the command starts, as it sees it."""
    sandbox: list[str]
    """The sandbox's command line up to the launcher inside; empty: no sandbox."""
    bounded: Bounded
    group_version: int
    """1 or 2; 0: no control groups."""
    group_parents: Mapping[str, str]
    base_uid: int | None
    """As root: the job's user is this plus its slot. None: the keeper's own user."""
    slots: str
    """The directory of slot locks; no two running jobs share a slot."""
    slot_count: int
    secret_names: tuple[str, ...] = ()
    """Variables whose values are handed over when the keeper starts, and stand in no file."""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**self._asdict(), "bounded": self.bounded._asdict(), "env": dict(self.env)}

    @classmethod
    def load(cls, job: Path) -> "Spec | None":
        """The spec in a job's directory, or None when there is none."""
        content = record.read(job / record.SPEC)
        if content is None:
            return None
        return cls(**{**content, "bounded": Bounded(**content["bounded"])})
